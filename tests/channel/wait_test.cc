#include "towpath/channel/wait.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "connections.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

using Indexes = std::vector<size_t>;

void stay() {
  for (;;) ::pause();
}

}  // namespace

TEST_CASE("wait: only the ready ends are returned in order") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, a_peer] = Pipe(true, transport);
  auto [b, b_peer] = Pipe(true, transport);
  auto [c, c_peer] = Pipe(true, transport);
  CHECK(wait({a, b, c}, Millis{0}).empty());
  CHECK(wait({a, b, c}, Millis{20}).empty());
  b_peer.send(1);
  CHECK(wait({a, b, c}, kSoon) == Indexes{1});
  CHECK(wait({a, b, c}, kSoon) == Indexes{1});  // as long as it is not received
  c_peer.send(2);
  REQUIRE(c.poll(kSoon));
  CHECK(wait({a, b, c}, kSoon) == Indexes{1, 2});
  CHECK(b.recv<int>(kSoon) == 1);
  CHECK(wait({a, b, c}, kSoon) == Indexes{2});
  CHECK(c.recv<int>(kSoon) == 2);
  CHECK(wait({a, b, c}, Millis{0}).empty());
}

TEST_CASE("wait: the end of a stream is ready") {
  const Transport transport = GENERATE(from_range(transports()));
  auto [a, a_peer] = Pipe(true, transport);
  auto [b, b_peer] = Pipe(true, transport);
  CHECK(wait({a, b}, Millis{0}).empty());
  a_peer.close();
  CHECK(wait({a, b}, kSoon) == Indexes{0});
}

TEST_CASE("wait: a dead child's sentinel among connections and descriptors") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  auto [a, a_peer] = Pipe();
  Process child(stay);
  child.start();
  const std::vector<Waitable> things{a, child.sentinel(), ends[0], -1};
  CHECK(wait(things, Millis{0}).empty());
  child.kill();
  CHECK(wait(things, kSoon) == Indexes{1});
  REQUIRE(::write(ends[1], "x", 1) == 1);
  CHECK(wait(things, kSoon) == Indexes{1, 2});
  a_peer.send(1);
  CHECK(wait(things, kSoon) == Indexes{0, 1, 2});
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("wait: many connections and each is served once") {
  const Transport transport = GENERATE(from_range(transports()));
  constexpr size_t kPipes = 16;
  constexpr int kEach = 50;
  std::vector<Connection> readers;
  std::vector<Connection> writers;
  for (size_t i = 0; i < kPipes; ++i) {
    auto [reader, writer] = Pipe(false, transport);
    readers.push_back(std::move(reader));
    writers.push_back(std::move(writer));
  }
  std::thread sender([&writers] {
    for (int round = 0; round < kEach; ++round) {
      for (Connection& writer : writers) writer.send(round);
    }
    writers.clear();
  });
  std::vector<Waitable> things(readers.begin(), readers.end());
  std::vector<int> next(kPipes, 0);
  size_t ended = 0;
  std::vector<bool> done(kPipes, false);
  while (ended < kPipes) {
    const Indexes ready = wait(things, kSoon);
    REQUIRE_FALSE(ready.empty());
    for (const size_t i : ready) {
      try {
        const int received = readers[i].recv<int>(kSoon);
        REQUIRE(received == next[i]);
        ++next[i];
      } catch (const EndOfStream&) {
        ++ended;
        things[i] = -1;
      }
    }
  }
  sender.join();
  CHECK(next == std::vector<int>(kPipes, kEach));
}

TEST_CASE("wait: what another thread holds is not ready") {
  auto [a, b] = Pipe();
  a.send(1);
  CHECK(wait({b}, kSoon) == Indexes{0});
  const Connection::Received held = b.receive(kSoon);
  std::thread other([&b = b] { CHECK(wait({b}, Millis{50}).empty()); });
  other.join();
}

TEST_CASE("wait: a closed connection is Invalid") {
  auto [a, b] = Pipe();
  a.close();
  CHECK_THROWS_AS(wait({a, b}, kSoon), Invalid);
}
