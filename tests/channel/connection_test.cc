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
#include "no_more_descriptors.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/wait.h"
#include "towpath/memory/ring.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

struct Point {
  int64_t x = 0;
  std::string name;
  TOWPATH_FIELDS(x, name)
};

struct Carrier {
  Connection end;
  Descriptor descriptor;
  std::string text;
  TOWPATH_FIELDS(end, descriptor, text)
};

struct Carried {
  Descriptor descriptor;
  std::string text;
  TOWPATH_FIELDS(descriptor, text)
};

void echo_once(Connection& a, Connection& b) {
  a.send(1);
  CHECK(b.recv<int>(kSoon) == 1);
  b.send(2);
  CHECK(a.recv<int>(kSoon) == 2);
}

// As a stray pointer does it: every ring of this process's connections has a head that can't be.
void scribble() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:towpath-connection ") == std::string::npos) continue;
    auto* const ring = reinterpret_cast<RingControl*>(std::stoull(line, nullptr, 16));
    ring->head = uint64_t{1} << 40;
  }
}

std::string pattern(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 4 <= size; i += 4) {
    const uint32_t word = static_cast<uint32_t>(random());
    std::memcpy(bytes.data() + i, &word, 4);
  }
  return bytes;
}

void echo_until_end(Connection line) {
  try {
    for (;;) line.send_bytes(line.recv_bytes());
  } catch (const EndOfStream&) {
  }
}

// Sends `count` messages of `size` bytes, then one byte by `done`, and stays.
void send_and_stay(Connection line, int64_t count, int64_t size) {
  for (int64_t i = 0; i < count; ++i) {
    std::string message(static_cast<size_t>(size), static_cast<char>('a' + i % 26));
    line.send_bytes(message);
  }
  for (;;) ::pause();
}

void send_without_end(Connection line, int64_t size) {
  for (int64_t i = 0;; ++i) {
    const auto letter = static_cast<char>('a' + i % 26);
    line.send_bytes(std::string(static_cast<size_t>(size), letter));
  }
}

size_t open_descriptors() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

template <class F>
void eventually_closed(F send) {
  const Deadline deadline(kSoon);
  while (!deadline.passed()) {
    try {
      send();
    } catch (const Closed&) {
      return;
    }
  }
  FAIL("sending to a peer that is gone goes on");
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

TEST_CASE("Connection: after the peer has closed its data comes and then the end") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  a.send(1);
  a.send(2);
  a.close();
  CHECK(b.poll(kSoon));
  CHECK(b.recv<int>(kSoon) == 1);
  CHECK(b.recv<int>(kSoon) == 2);
  CHECK(b.poll(kSoon));  // the end can be received
  CHECK_THROWS_AS(b.recv<int>(kSoon), EndOfStream);
  CHECK_THROWS_AS(b.recv_bytes(kSoon), EndOfStream);
  CHECK_THROWS_AS(b.send(3), Closed);
  CHECK_THROWS_AS(a.send(3), Invalid);
  CHECK_THROWS_AS(a.recv<int>(), Invalid);
  a.close();
}

TEST_CASE("Connection: what a killed sender had sent arrives whole and the rest does not") {
  const Transport transport = GENERATE(values({Transport::kSharedMemory}));
  const int64_t size = GENERATE(64, 20'000, 200'000);
  const int64_t count = 5;
  auto [mine, its] = Pipe(false, transport);
  Process child(send_and_stay, std::move(its), count, size);
  child.start();
  REQUIRE(mine.poll(kSoon));
  const auto first = mine.recv_bytes(kSoon);
  for (int64_t i = 1; i < count - 1; ++i) REQUIRE(mine.recv_bytes(kSoon).size() == first.size());
  REQUIRE(mine.poll(kSoon));  // the last one is there
  child.kill();
  REQUIRE(child.join(kSoon));
  CHECK(mine.recv_bytes(kSoon) == std::string(static_cast<size_t>(size), 'e'));
  CHECK_THROWS_AS(mine.recv_bytes(kSoon), EndOfStream);
}

TEST_CASE("Connection: a sender killed at any instant corrupts nothing") {
  const Transport transport = GENERATE(from_range(transports()));
  const int64_t size = GENERATE(100, 40'000, 70'000'000);
  std::mt19937 random(static_cast<uint32_t>(size));
  const int rounds = size > 1'000'000 ? 3 : 15;
  for (int round = 0; round < rounds; ++round) {
    auto [mine, its] = Pipe(true, transport);
    Process child(send_without_end, std::move(its), size);
    child.start();
    int64_t received = 0;
    const int64_t kill_at = size > 1'000'000 ? round % 3 : static_cast<int64_t>(random() % 2000);
    try {
      for (;; ++received) {
        if (received == kill_at) child.kill();
        const std::string message = mine.recv_bytes(kSoon);
        REQUIRE(message.size() == static_cast<size_t>(size));
        const auto letter = static_cast<char>('a' + received % 26);
        REQUIRE(message == std::string(message.size(), letter));
      }
    } catch (const EndOfStream&) {
    }
    CHECK(received >= kill_at);
    REQUIRE(child.join(kSoon));
  }
}

TEST_CASE("Connection: sending to a killed peer is Closed also when it waits for room") {
  const Transport transport = GENERATE(from_range(transports()));
  const int64_t size = GENERATE(10, 500'000, 70'000'000);
  auto [mine, its] = Pipe(true, transport);
  Process child(
      [](Connection line) {
        line.send(1);
        for (;;) ::pause();
      },
      std::move(its));
  child.start();
  CHECK(mine.recv<int>(kSoon) == 1);
  std::thread killer([&child] { child.kill(); });
  const std::string message(static_cast<size_t>(size), 'x');
  eventually_closed([&mine = mine, &message] { mine.send_bytes(message, kSoon); });
  killer.join();
  CHECK_THROWS_AS(mine.recv<int>(kSoon), EndOfStream);
  REQUIRE(child.join(kSoon));
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

TEST_CASE("Connection: the descriptor tells that the peer was killed") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [mine, its] = Pipe(true, transport);
  Process child(send_and_stay, std::move(its), int64_t{0}, int64_t{0});
  child.start();
  const int fd = mine.fileno();
  child.kill();
  REQUIRE(child.join(kSoon));
  CHECK(wait_readable(fd, kSoon));
  CHECK_THROWS_AS(mine.recv_bytes(kSoon), EndOfStream);
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

TEST_CASE("Connection: closing wakes a thread that waits in it") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, b] = Pipe(true, transport);
  std::atomic<bool> ended{false};
  std::thread waiter([&a = a, &ended] {
    try {
      a.recv<int>(kSoon);
    } catch (const Error&) {
      ended = true;
    }
  });
  CHECK_FALSE(a.poll(Millis{50}));  // the waiter may be inside, or here
  a.close();
  waiter.join();
  CHECK(ended);
  CHECK_THROWS_AS(b.recv<int>(kSoon), EndOfStream);
}

TEST_CASE("Connection: a copy that a fork made is refused and disturbs nobody") {
  auto [a, b] = Pipe();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int refused = 0;
    try {
      a.send(1);
    } catch (const Invalid&) {
      ++refused;
    }
    try {
      b.recv<int>(Millis{0});
    } catch (const Invalid&) {
      ++refused;
    }
    a.close();
    b.close();
    ::_exit(refused);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 2);
  a.send(5);
  CHECK(b.recv<int>(kSoon) == 5);
}

TEST_CASE("Connection: its end is noticed also when siblings were forked in between") {
  for (const Method method : methods()) {
    auto [first, its_first] = Pipe();
    auto [second, its_second] = Pipe();
    Process one(Options{.method = method}, send_and_stay, std::move(its_first), int64_t{1},
                int64_t{1});
    Process two(Options{.method = method}, send_and_stay, std::move(its_second), int64_t{1},
                int64_t{1});
    one.start();
    two.start();
    CHECK(first.recv_bytes(kSoon) == "a");
    CHECK(second.recv_bytes(kSoon) == "a");
    two.kill();
    CHECK_THROWS_AS(second.recv_bytes(kSoon), EndOfStream);
    one.kill();
    CHECK_THROWS_AS(first.recv_bytes(kSoon), EndOfStream);
    REQUIRE(one.join(kSoon));
    REQUIRE(two.join(kSoon));
  }
}

TEST_CASE("Connection: an end that waits in a process never started is closed with it") {
  auto [mine, its] = Pipe();
  {
    const Process child(echo_until_end, std::move(its));
    mine.send(1);
    CHECK_FALSE(mine.poll());
  }
  CHECK_THROWS_AS(mine.recv<int>(kSoon), EndOfStream);
}

TEST_CASE("Connection: an end travels on with what it had received in part") {
  auto [mine, its] = Pipe();
  mine.send(1);
  mine.send(2);
  CHECK(its.recv<int>(kSoon) == 1);
  Process child(
      [](Connection line) {
        const int next = line.recv<int>();
        const auto large = line.recv_bytes();
        line.send(next);
        line.send(static_cast<uint64_t>(large.size()));
      },
      std::move(its));
  child.start();
  mine.send_bytes(std::string(1'000'000, 'x'));
  CHECK(mine.recv<int>(kSoon) == 2);
  CHECK(mine.recv<uint64_t>(kSoon) == 1'000'000);
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Connection: an end that has used its second ring travels with it") {
  auto [mine, its] = Pipe();
  std::thread reader([&its = its] { CHECK(its.recv_bytes(kSoon).size() == 400'000); });
  mine.send_bytes(std::string(400'000, 'x'));
  reader.join();
  its.send_bytes(std::string(300'000, 'y'));
  mine.send_bytes(std::string(500'000, 'z'));  // still unread
  Process child(echo_until_end, std::move(its));
  child.start();
  CHECK(mine.recv_bytes(kSoon).size() == 300'000);
  CHECK(mine.recv_bytes(kSoon) == std::string(500'000, 'z'));
  mine.send_bytes(std::string(10'000'000, 'w'));
  CHECK(mine.recv_bytes(kSoon) == std::string(10'000'000, 'w'));
  mine.close();
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Connection: connections and descriptors travel through a connection") {
  auto [mine, its] = Pipe();
  Process child(
      [](Connection line) {
        auto other = line.recv<Connection>();
        other.send(std::string("over the other"));
        const auto fds = line.recv<std::vector<Descriptor>>();
        for (const Descriptor fd : fds) {
          line.send(::write(fd.fd, "x", 1) == 1);
          ::close(fd.fd);
        }
      },
      std::move(its));
  child.start();
  auto [near, far] = Pipe();
  mine.send(far);
  CHECK(far.closed());
  CHECK(near.recv<std::string>(kSoon) == "over the other");
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  mine.send(std::vector<Descriptor>{{ends[1]}, {ends[1]}});
  ::close(ends[1]);
  CHECK(mine.recv<bool>(kSoon));
  CHECK(mine.recv<bool>(kSoon));
  CHECK(wait_readable(ends[0], kSoon));
  ::close(ends[0]);
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

TEST_CASE("Connection: no descriptor is left behind") {
  const size_t before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    auto [a, b] = Pipe(i % 2 == 0);
    b.send(1);
    CHECK(a.recv<int>(kSoon) == 1);
    b.send_bytes(std::string(100'000, 'x'));
    CHECK(a.fileno() >= 0);
    b.send(std::vector<Descriptor>{{0}, {1}});  // never received
  }
  CHECK(open_descriptors() <= before);
  Process first([] {});  // starts what every later process uses
  first.start();
  REQUIRE(first.join(kSoon));
  first.close();
  const size_t with_helpers = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    auto [mine, its] = Pipe();
    Process child(echo_until_end, std::move(its));
    child.start();
    mine.send(1);
    CHECK(mine.recv<int>(kSoon) == 1);
    mine.close();
    REQUIRE(child.join(kSoon));
    child.close();
  }
  CHECK(open_descriptors() <= with_helpers);
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

TEST_CASE("Connection: an end closed with much unread has still sent what it sent") {
  const Transport transport = GENERATE(from_range(transports()));
  for (int round = 0; round < 30; ++round) {
    auto [a, b] = Pipe(true, transport);
    b.send_bytes("never read");
    b.send_bytes(std::string(100'000, 'x'));
    a.send_bytes("first");
    a.send_bytes(std::string(200'000, 'y'));
    a.close();
    REQUIRE(b.recv_bytes(kSoon) == "first");
    REQUIRE(b.recv_bytes(kSoon).size() == 200'000);
    REQUIRE_THROWS_AS(b.recv_bytes(kSoon), EndOfStream);
  }
}

TEST_CASE("Connection: an end that could not be given away is as it was") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [line, far] = Pipe();
  auto [a, b] = Pipe(true, transport);
  CHECK_THROWS_AS(to_bytes(b), NotSerialisable);  // as a queue would
  Carrier carrier{std::move(b), {9999}, {}};
  CHECK_THROWS_AS(line.send(carrier), SystemError);  // its neighbour is not open
  carrier.descriptor = {};
  {
    const NoMoreDescriptors limit;
    CHECK_THROWS_AS(line.send(carrier), SystemError);
  }
  auto [bytes_only, its_far] = Pipe(true, Transport::kZeroMq);
  CHECK_THROWS_AS(bytes_only.send(carrier), NotSerialisable);
  int64_t sent = 0;
  const auto fill = [&line = line, &sent] {
    for (;; ++sent) line.send_bytes(std::string(10'000, 'x'), Millis{0});
  };
  CHECK_THROWS_AS(fill(), Full);
  carrier.text = std::string(10'000, 'x');
  CHECK_THROWS_AS(line.send(carrier, Millis{0}), Full);
  CHECK_FALSE(carrier.end.closed());
  for (; sent > 0; --sent) far.recv_bytes(kSoon);
  CHECK_FALSE(far.poll());
  if (transport == Transport::kZeroMq) {
    echo_once(a, carrier.end);
    CHECK_THROWS_AS(line.send(carrier), NotSerialisable);  // it was used
    echo_once(a, carrier.end);
    return;
  }
  echo_once(a, carrier.end);
  line.send(carrier);
  CHECK(carrier.end.closed());
  auto arrived = far.recv<Carrier>(kSoon);
  echo_once(a, arrived.end);
}

TEST_CASE("Connection: the first large message can carry descriptors") {
  auto [a, b] = Pipe();
  const size_t size = GENERATE(40'000, 300'000, 40'000'000);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd read(ends[0]), write(ends[1]);
  a.send(Carried{{write.get()}, std::string(size, 'x')});
  const auto carried = b.recv<Carried>(kSoon);
  const UniqueFd arrived(carried.descriptor.fd);
  CHECK(carried.text.size() == size);
  CHECK(::write(arrived.get(), "x", 1) == 1);
  CHECK(wait_readable(read.get(), kSoon));
}

TEST_CASE("Connection: descriptors for which there is no room cost their message and no other") {
#if defined(__SANITIZE_ADDRESS__)
  return;  // UBSan, beside it, takes a lack of descriptors for a lost object
#endif
  const size_t size = GENERATE(1, 300'000, 40'000'000);
  auto [a, b] = Pipe();
  a.send_bytes(std::string(size, 'x'));
  b.recv_bytes(kSoon);
  a.send(Carried{{0}, std::string(size, 'y')});
  a.send(2);
  {
    const NoMoreDescriptors limit;
    CHECK_THROWS_AS(b.recv<Carried>(kSoon), SystemError);
  }
  CHECK(b.recv<int>(kSoon) == 2);
  CHECK_FALSE(b.poll());
  a.send(Carried{{0}, std::string(size, 'z')});
  const auto carried = b.recv<Carried>(kSoon);
  CHECK(carried.text == std::string(size, 'z'));
  ::close(carried.descriptor.fd);
}

TEST_CASE("Connection: where its second ring finds no room it ends for both sides") {
#if defined(__SANITIZE_ADDRESS__)
  return;  // UBSan, beside it, takes a lack of descriptors for a lost object
#endif
  auto [a, b] = Pipe();
  a.send_bytes(std::string(100'000, 'x'));
  {
    const NoMoreDescriptors limit;
    CHECK_THROWS_AS(b.recv_bytes(kSoon), SystemError);
  }
  CHECK(b.poll());
  CHECK_THROWS_AS(b.recv_bytes(kSoon), EndOfStream);
  CHECK(wait_readable(b.fileno(), kSoon));
  CHECK_THROWS_AS(b.send(1), Closed);
  CHECK_THROWS_AS(a.send(1), Closed);
}

TEST_CASE("Connection: a peer that scribbles over its ring is the end of the connection only") {
  const bool waits = GENERATE(true, false);  // by fileno()
  auto [mine, its] = Pipe();
  Process child(
      [](Connection line) {
        line.send(1);
        line.recv<int>();
        scribble();
      },
      std::move(its));
  child.start();
  if (waits) CHECK(wait_readable(mine.fileno(), kSoon));
  REQUIRE(mine.poll(kSoon));
  mine.send(2);
  REQUIRE(child.join(kSoon));
  CHECK(mine.recv<int>(kSoon) == 1);
  CHECK(mine.poll());
  if (waits) CHECK(wait_readable(mine.fileno(), Millis{0}));
  CHECK_THROWS_AS(mine.recv<int>(kSoon), Invalid);
  CHECK(mine.poll());
  if (waits) CHECK(wait_readable(mine.fileno(), Millis{0}));
  CHECK_THROWS_AS(mine.recv<int>(kSoon), EndOfStream);
}

TEST_CASE("Connection: a message that is not decoded leaves no descriptor open") {
  auto [a, b] = Pipe();
  const size_t before = open_descriptors();
  a.send(std::vector<Descriptor>{{0}, {1}});
  using Other = std::pair<Descriptor, std::string>;
  CHECK_THROWS_AS(b.recv<Other>(kSoon), Invalid);
  CHECK(open_descriptors() == before);
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
