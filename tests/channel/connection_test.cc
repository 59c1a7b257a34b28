// Connection between two ends that live; what dies is in connection_death_test.cc, what travels in
// connection_travel_test.cc.
#include "towpath/channel/connection.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "connections.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/wait.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

struct Point {
  int64_t x = 0;
  std::string name;
  TOWPATH_FIELDS(x, name)
};

std::string pattern(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 4 <= size; i += 4) {
    const uint32_t word = static_cast<uint32_t>(random());
    std::memcpy(bytes.data() + i, &word, 4);
  }
  return bytes;
}

}  // namespace

TEST_CASE("Connection: request and reply over a duplex Pipe") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  a.send(std::string("привет"));
  CHECK(b.recv<std::string>(kSoon) == "привет");
  b.send(Point{7, "ответ"});
  const auto reply = a.recv<Point>(kSoon);
  CHECK(reply.x == 7);
  CHECK(reply.name == "ответ");
}

TEST_CASE("Connection: any value travels as an Object with nil kept") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  const Object sent(Object::Array{Object(42), Object(), Object("hello"), Object(true)});
  a.send(sent);
  CHECK(b.recv(kSoon) == sent);
}

TEST_CASE("Connection: a and b and cd never merge and an empty message is one") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  CHECK_FALSE(b.poll());
  a.send_bytes("");
  CHECK(b.poll(kSoon));
  CHECK(b.recv_bytes(kSoon).empty());
  CHECK_FALSE(b.poll());
  for (const char* text : {"a", "b", "cd"}) a.send_bytes(text);
  CHECK(b.recv_bytes(kSoon) == "a");
  CHECK(b.recv_bytes(kSoon) == "b");
  CHECK(b.recv_bytes(kSoon) == "cd");
}

TEST_CASE("Connection: a simplex Pipe goes one way and says so") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [reader, writer] = Pipe(false, transport);
  writer.send(5);
  CHECK(reader.recv<int>(kSoon) == 5);
  CHECK(reader.readable());
  CHECK_FALSE(reader.writable());
  CHECK_THROWS_WITH(reader.send(1), Catch::Contains("only receives"));
  CHECK_THROWS_AS(reader.send_bytes("x"), Invalid);
  CHECK_THROWS_WITH(writer.recv<int>(), Catch::Contains("only sends"));
  CHECK_THROWS_AS(writer.poll(), Invalid);
  CHECK_THROWS_AS(writer.fileno(), Invalid);
}

TEST_CASE("Connection: a child echoes 16 MiB and all sizes around the limits") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods()) {
    if (transport == Transport::kZeroMq && method == Method::kFork) continue;
    auto [mine, its] = Pipe(true, transport);
    Process child(Options{.method = method}, echo_until_end, std::move(its));
    CHECK(its.closed());
    child.start();
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{32'767}, size_t{32'768}, size_t{32'769}, size_t{262'136},
          size_t{1} << 20, size_t{6'220'800}, size_t{16} << 20}) {
      const std::string message = pattern(size, static_cast<uint32_t>(size));
      mine.send_bytes(message);
      const std::string answer = mine.recv_bytes(kSoon);
      REQUIRE(answer.size() == message.size());
      REQUIRE(answer == message);
    }
    mine.close();
    REQUIRE(child.join(kSoon));
    CHECK(child.exitcode() == 0);
  }
}

TEST_CASE("Connection: a message larger than all rings streams through") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [mine, its] = Pipe(true, transport);
  Process child(
      [](Connection line) {
        const std::string message = line.recv_bytes();
        line.send(static_cast<uint64_t>(message.size()));
        line.send(message.substr(message.size() - 8));
      },
      std::move(its));
  child.start();
  const std::string message = pattern(size_t{100} << 20, 1);
  mine.send_bytes(message);
  CHECK(mine.recv<uint64_t>(kSoon) == message.size());
  CHECK(mine.recv<std::string>(kSoon) == message.substr(message.size() - 8));
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Connection: a loan arrives as it was written") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [mine, its] = Pipe(true, transport);
  Process child(&echo_until_end, std::move(its));
  child.start();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{32'768}, size_t{32'769}, size_t{6'220'800},
                            size_t{6'220'800}, size_t{50'000}, size_t{40} << 20}) {
    const std::string message = pattern(size, static_cast<uint32_t>(size));
    Connection::Loan loan = mine.loan(size, kSoon);
    REQUIRE(loan.bytes().size() == size);
    if (size > 0) std::memcpy(loan.bytes().data(), message.data(), size);
    loan.send();
    CHECK_THROWS_AS(loan.send(), Invalid);
    REQUIRE(mine.recv_bytes(kSoon) == message);
    mine.send_bytes("between");
    REQUIRE(mine.recv_bytes(kSoon) == "between");
  }
  mine.close();
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Connection: a loan that ends unsent was nothing") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  for (const size_t size : {size_t{10}, size_t{300'000}}) {
    {
      Connection::Loan loan = a.loan(size);
      std::memset(loan.bytes().data(), 'x', size);
    }
    const std::string message = pattern(200'000, 5);
    a.send_bytes(message, kSoon);
    CHECK(b.recv_bytes(kSoon) == message);
    CHECK_FALSE(b.poll());
  }
}

TEST_CASE("Connection: a loan for which there is no room in time is Full") {
  auto [a, b] = Pipe(true, Transport::kSharedMemory);
  int sent = 0;
  const auto send_on = [&a = a, &sent] {
    for (;; ++sent) a.loan(6'000'000, Millis{20}).send();
  };
  CHECK_THROWS_AS(send_on(), Full);
  CHECK(sent > 0);
  CHECK(sent < 20);
  while (sent-- > 0) CHECK(b.recv_bytes(kSoon).size() == 6'000'000);
  a.loan(6'000'000, kSoon).send();
  CHECK(b.recv_bytes(kSoon).size() == 6'000'000);
}

TEST_CASE("Connection: a buffer too short is refused and the error holds the message") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  a.send_bytes("longer than eight");
  a.send_bytes("short");
  std::array<std::byte, 8> buffer{};
  try {
    b.recv_bytes_into(buffer, kSoon);
    FAIL("it fitted");
  } catch (const BufferTooShort& error) {
    CHECK(error.message() == "longer than eight");
  }
  CHECK(b.recv_bytes_into(buffer, kSoon) == 5);
  CHECK(std::memcmp(buffer.data(), "short", 5) == 0);
}

TEST_CASE("Connection: more than was asked for is refused and the error holds the message") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  for (const char* text : {"longer than eight", "eight by", "", "x"}) a.send_bytes(text);
  try {
    b.recv_bytes(8, kSoon);
    FAIL("it was not too long");
  } catch (const BufferTooShort& error) {
    CHECK(error.message() == "longer than eight");
  }
  CHECK(b.recv_bytes(8, kSoon) == "eight by");
  CHECK(b.recv_bytes(0, kSoon).empty());
  CHECK_THROWS_AS(b.recv_bytes(0, kSoon), BufferTooShort);
  CHECK_THROWS_AS(b.recv_bytes(8, Millis{0}), Empty);
}

TEST_CASE("Connection: a part of a buffer is sent and received as a span of it") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  const std::string text = "0123456789";
  a.send_bytes(std::as_bytes(std::span(text)).subspan(3, 4));
  std::array<char, 8> buffer{};
  CHECK(b.recv_bytes_into(std::as_writable_bytes(std::span(buffer)).subspan(2), kSoon) == 4);
  CHECK(std::string_view(buffer.data() + 2) == "3456");
}

TEST_CASE("Connection: nothing in time is Empty and no room in time is Full") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  CHECK_THROWS_AS(b.recv<int>(Millis{0}), Empty);
  CHECK_THROWS_AS(b.recv_bytes(Millis{20}), Empty);
  CHECK_FALSE(b.poll(Millis{20}));
  const std::string message = pattern(10'000, 3);
  int64_t sent = 0;
  try {
    for (;; ++sent) a.send_bytes(message, Millis{50});
  } catch (const Full&) {
  }
  CHECK(sent > 0);
  CHECK(sent < 10'000);  // memory is bounded
  for (int64_t i = 0; i < sent; ++i) REQUIRE(b.recv_bytes(kSoon) == message);
  CHECK_FALSE(b.poll());
  a.send_bytes("goes on", kSoon);
  CHECK(b.recv_bytes(kSoon) == "goes on");
}

TEST_CASE("Connection: a large message given up for lack of time leaves no trace") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  const std::string before = pattern(300'000, 3);
  a.send_bytes(before);
  const std::string large = pattern(size_t{100} << 20, 4);
  CHECK_THROWS_AS(a.send_bytes(large, Millis{200}), Full);
  std::thread sender([&a = a] { a.send_bytes("after", kSoon); });
  CHECK(b.recv_bytes(kSoon) == before);
  CHECK(b.recv_bytes(kSoon) == "after");
  sender.join();
}

TEST_CASE("Connection: the descriptor is readable exactly when poll is true") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  a.send_bytes("before fileno");
  const int fd = b.fileno();
  CHECK(wait_readable(fd, kSoon));
  CHECK(b.fileno() == fd);
  b.recv_bytes(kSoon);
  for (int round = 0; round < 200; ++round) {
    REQUIRE_FALSE(b.poll());
    REQUIRE_FALSE(wait_readable(fd, Millis{0}));
    a.send_bytes("one");
    a.send_bytes(std::string(round % 20 == 0 ? 300'000 : 10, 'x'));
    REQUIRE(wait_readable(fd, kSoon));
    REQUIRE(b.poll(kSoon));
    b.recv_bytes(kSoon);
    REQUIRE(wait_readable(fd, kSoon));
    REQUIRE(b.poll(kSoon));
    b.recv_bytes(kSoon);
  }
  CHECK_FALSE(wait_readable(fd, Millis{0}));
  a.close();
  CHECK(wait_readable(fd, kSoon));
  CHECK(b.poll());
}

TEST_CASE("Connection: threads that share an end are served one after another") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [mine, its] = Pipe(true, transport);
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  Process child(echo_until_end, std::move(its));
  child.start();
  std::vector<std::thread> senders;
  for (int thread = 0; thread < kThreads; ++thread) {
    senders.emplace_back([&mine = mine, thread] {
      for (int i = 0; i < kEach; ++i) {
        const size_t size = i % 50 == 0 ? 40'000 : 100;
        mine.send_bytes(std::string(size, static_cast<char>('a' + thread)));
      }
    });
  }
  std::atomic<int> received{0};
  std::atomic<int> torn{0};
  std::vector<std::thread> receivers;
  for (int thread = 0; thread < 2; ++thread) {
    receivers.emplace_back([&mine = mine, &received, &torn] {
      for (int i = 0; i < kThreads * kEach / 2; ++i) {
        const std::string message = mine.recv_bytes(kSoon);
        if (message.find_first_not_of(message.front()) != std::string::npos) ++torn;
        ++received;
      }
    });
  }
  for (auto& thread : senders) thread.join();
  for (auto& thread : receivers) thread.join();
  CHECK(received == kThreads * kEach);
  CHECK(torn == 0);
  mine.close();
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Connection: a message of another type is Invalid and the next one is received") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  a.send(std::string("text"));
  CHECK_THROWS_AS(b.recv<int>(kSoon), Invalid);
  a.send_bytes("\x93\x01");  // truncated
  CHECK_THROWS_AS(b.recv(kSoon), Invalid);
  a.send_bytes("\xc1");  // never used in MessagePack
  CHECK_THROWS_AS(b.recv(kSoon), Invalid);
  a.send_bytes("");
  CHECK_THROWS_AS(b.recv(kSoon), Invalid);
  a.send_bytes(std::string(1000, '\x91'));  // too deep
  CHECK_THROWS_AS(b.recv(kSoon), Invalid);
  a.send_bytes("\x01\x02");  // two values
  CHECK_THROWS_WITH(b.recv<int>(kSoon), Catch::Contains("1 bytes follow"));
  a.send(int64_t{1} << 40);
  CHECK_THROWS_AS(b.recv<int8_t>(kSoon), Invalid);
  a.send(Descriptor{-1});
  CHECK(b.recv<Descriptor>(kSoon).fd == -1);
  a.send(5);
  CHECK_THROWS_AS(b.recv<Connection>(kSoon), Invalid);
  a.send(6);
  CHECK(b.recv<int>(kSoon) == 6);
}

TEST_CASE("Connection: random bytes as messages never do harm") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    a.send_bytes(pattern(random() % 64 * 4, static_cast<uint32_t>(random())));
    try {
      if (i % 3 == 0) {
        (void)b.recv(kSoon);
      } else if (i % 3 == 1) {
        (void)b.recv<std::vector<Point>>(kSoon);
      } else {
        (void)b.recv<Connection>(kSoon);
      }
    } catch (const Invalid&) {
    }
  }
  CHECK_FALSE(b.poll());
}

TEST_CASE("Connection: a message above the limit is refused before anything is sent") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  const size_t size = kMaxConnectionMessage + 1;
  void* nothing =
      ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(nothing != MAP_FAILED);
  CHECK_THROWS_AS(a.send_bytes({static_cast<const char*>(nothing), size}), Invalid);
  ::munmap(nothing, size);
  CHECK_FALSE(b.poll());
}

TEST_CASE("Connection: a message can be read where it lies") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  a.send_bytes(std::string(1'000'000, 'x'));
  a.send_bytes("next");
  {
    const Connection::Received message = b.receive(kSoon);
    CHECK(message.bytes() == std::string(1'000'000, 'x'));
  }
  CHECK(b.receive(kSoon).bytes() == "next");
}

TEST_CASE("Connection: none and moved ones are refused") {
  Connection none;
  CHECK(none.closed());
  CHECK_THROWS_AS(none.send(1), Invalid);
  auto [a, b] = Pipe();
  Connection moved = std::move(a);
  CHECK_THROWS_WITH(a.send(1), Catch::Contains("moved"));
  moved.send(1);
  CHECK(b.recv<int>(kSoon) == 1);
  moved = Connection();  // closes what stood there
  CHECK_THROWS_AS(b.recv<int>(kSoon), EndOfStream);
}

TEST_CASE("Connection: a signal does not cost it its second ring") {
  struct sigaction handler {};
  struct sigaction handled {};
  handler.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &handler, &handled);
  for (int micros = 200; micros < 4'000; micros += 400) {
    auto [a, b] = Pipe();
    const std::string message(16'000'000, 'x');
    const itimerval once{{0, 0}, {0, micros}};
    ::setitimer(ITIMER_REAL, &once, nullptr);
    a.send_bytes(message, kSoon);
    size_t bulks = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      const std::string target = std::filesystem::read_symlink(entry.path(), ignored);
      if (target.find("towpath-connection-bulk") != std::string::npos) ++bulks;
    }
    CHECK(bulks > 0);
  }
  const itimerval none{};
  ::setitimer(ITIMER_REAL, &none, nullptr);
  ::sigaction(SIGALRM, &handled, nullptr);
}
