// Ends of a Connection, and descriptors, on their way to other processes.
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
#include "towpath/process/process.h"

using namespace towpath;

namespace {

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

size_t open_descriptors() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

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

TEST_CASE("Connection: a message that is not decoded leaves no descriptor open") {
  auto [a, b] = Pipe();
  const size_t before = open_descriptors();
  a.send(std::vector<Descriptor>{{0}, {1}});
  using Other = std::pair<Descriptor, std::string>;
  CHECK_THROWS_AS(b.recv<Other>(kSoon), Invalid);
  CHECK(open_descriptors() == before);
}
