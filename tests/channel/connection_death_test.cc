// Ends of a Connection that close, die, or break the rules.
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

// As a stray pointer does it: every ring of this process's connections has a head that can't be.
void scribble() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:towpath-connection ") == std::string::npos) continue;
    auto* const ring = reinterpret_cast<RingControl*>(std::stoull(line, nullptr, 16));
    ring->head = uint64_t{1} << 40;
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
