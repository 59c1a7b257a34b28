#include "towpath/sync/barrier.h"

#include <catch2/catch.hpp>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "helpers.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

// [0]: arrivals; [1]: those who saw others out of step; [10 + r]: sum of the indexes of round r;
// [40 + r]: who got 0 in round r.
void go_in_step(Barrier barrier, Numbers seen, int rounds) {
  const int parties = barrier.parties();
  for (int round = 0; round < rounds; ++round) {
    ++seen[0];
    const int index = barrier.wait(kSoon);
    const int arrived = seen[0];
    if (arrived < parties * (round + 1) || arrived > parties * (round + 2)) ++seen[1];
    seen[static_cast<size_t>(10 + round)] += index;
    if (index == 0) ++seen[static_cast<size_t>(40 + round)];
  }
}

// [0]: about to wait; [1]: passed; [2]: broken.
void wait_once(Barrier barrier, Numbers count, int64_t timeout) {
  ++count[0];
  try {
    barrier.wait(Millis{timeout});
    ++count[1];
  } catch (const BrokenBarrier&) {
    ++count[2];
  }
}

int64_t soon() { return kSoon.count(); }

std::atomic<int> actions = 0;
void count_action() { ++actions; }
void fail() { throw std::runtime_error("no good"); }
void die() { ::raise(SIGKILL); }

}  // namespace

TEST_CASE("Barrier: five go ten rounds in step, each with an index of its own") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Barrier barrier(5);
    CHECK(barrier.parties() == 5);
    const Numbers seen;
    Children children;
    for (int i = 0; i < 3; ++i) children.start(method, &go_in_step, barrier, seen, 10);
    std::thread thread(&go_in_step, barrier, seen, 10);
    go_in_step(barrier, seen, 10);
    thread.join();
    CHECK(children.joined());
    CHECK(seen[0] == 50);
    CHECK(seen[1] == 0);
    for (size_t round = 0; round < 10; ++round) {
      CHECK(seen[10 + round] == 0 + 1 + 2 + 3 + 4);
      CHECK(seen[40 + round] == 1);
    }
    CHECK(barrier.n_waiting() == 0);
    CHECK_FALSE(barrier.broken());
  }
}

TEST_CASE("Barrier: alone one passes at once") {
  Barrier barrier(1);
  CHECK(barrier.wait(Millis{0}) == 0);
  CHECK(barrier.wait() == 0);
  CHECK_THROWS_AS(Barrier(0), Invalid);
  CHECK_THROWS_AS(Barrier(-1), Invalid);
}

TEST_CASE("Barrier: a wait without a time-out has the barrier's, in every process") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Barrier barrier(2, nullptr, Millis{30});
    CHECK_THROWS_AS(barrier.wait(), BrokenBarrier);
    CHECK(barrier.broken());
    barrier.reset();
    Children children;
    Process& child = children.start(
        method,
        [](Barrier it) {
          try {
            it.wait();
          } catch (const BrokenBarrier&) {
            std::exit(5);
          }
        },
        barrier);
    REQUIRE(child.join(kSoon));
    CHECK(child.exitcode() == 5);
    barrier.reset();
    // A longer one of a wait's own.
    const Numbers count;
    children.start(method, &wait_once, barrier, count, soon());
    REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
    CHECK_FALSE(await_for(Millis{60}, [&] { return barrier.broken(); }));
    CHECK(barrier.wait() == 1);
    REQUIRE(await([&] { return count[1] == 1; }));
  }
}

TEST_CASE("Barrier: its action is called once a round, before any goes on") {
  actions = 0;
  Barrier barrier(3, &count_action);
  std::atomic<int> early = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 1; round <= 20; ++round) {
        barrier.wait(kSoon);
        if (actions < round) ++early;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(actions == 20);
  CHECK(early == 0);
}

TEST_CASE("Barrier: its action runs in whichever process comes last") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const Numbers count;
    Barrier barrier(2, [] { std::exit(9); });
    std::thread thread(&wait_once, barrier, count, soon());
    REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
    Children children;
    Process& child = children.start(Method::kSpawn, &wait_once, barrier, count, soon());
    REQUIRE(child.join(kSoon));
    CHECK(child.exitcode() == 9);
    barrier.abort();
    thread.join();
    CHECK(count[2] == 1);
  }
}

TEST_CASE("Barrier: an action that throws breaks it") {
  Barrier barrier(2, &fail);
  const Numbers count;
  std::thread thread(&wait_once, barrier, count, soon());
  REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
  CHECK_THROWS_AS(barrier.wait(kSoon), std::runtime_error);
  thread.join();
  CHECK(count[2] == 1);
  CHECK(barrier.broken());
  CHECK_THROWS_WITH(barrier.wait(), Catch::Contains("its action threw"));
}

TEST_CASE("Barrier: abort breaks it for the four who wait until it is reset") {
  Barrier barrier(5);
  const Numbers count;
  Children children;
  for (int i = 0; i < 4; ++i) {
    children.start(Method::kForkserver, &wait_once, barrier, count, soon());
  }
  REQUIRE(await([&] { return barrier.n_waiting() == 4; }));
  barrier.abort();
  CHECK(children.joined());
  CHECK(count[2] == 4);
  CHECK(barrier.broken());
  CHECK(barrier.n_waiting() == 0);
  CHECK_THROWS_AS(barrier.wait(), BrokenBarrier);
  barrier.reset();
  CHECK_FALSE(barrier.broken());
  Children again;
  for (int i = 0; i < 4; ++i) again.start(Method::kSpawn, &wait_once, barrier, count, soon());
  barrier.wait(kSoon);
  CHECK(again.joined());
  CHECK(count[1] == 4);
}

TEST_CASE("Barrier: reset lets those who wait go as broken, and is as new") {
  Barrier barrier(3);
  const Numbers count;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back(&wait_once, barrier, count, soon());
  REQUIRE(await([&] { return barrier.n_waiting() == 2; }));
  barrier.reset();
  for (std::thread& thread : threads) thread.join();
  CHECK(count[2] == 2);
  CHECK_FALSE(barrier.broken());
  threads.clear();
  for (int i = 0; i < 2; ++i) threads.emplace_back(&wait_once, barrier, count, soon());
  barrier.wait(kSoon);
  for (std::thread& thread : threads) thread.join();
  CHECK(count[1] == 2);
}

TEST_CASE("Barrier: when one is late all five find it broken") {
  Barrier barrier(5, nullptr, kSoon);
  const Numbers count;
  Children children;
  for (int i = 0; i < 3; ++i) {
    children.start(Method::kForkserver, &wait_once, barrier, count, soon());
  }
  REQUIRE(await([&] { return barrier.n_waiting() == 3; }));
  CHECK_THROWS_WITH(barrier.wait(Millis{30}), Catch::Contains("time-out"));
  CHECK(children.joined());
  CHECK_THROWS_AS(barrier.wait(), BrokenBarrier);
  CHECK(count[2] == 3);
}

TEST_CASE("Barrier: a killed party breaks it for the others") {
  for (const Method method : methods()) {
    for (const bool waits : {true, false}) {
      CAPTURE(method_name(method), waits);
      Barrier barrier(4);
      const Numbers count;
      const Event there;
      Children children;
      Process& killed = children.start(
          method,
          [](Barrier it, Numbers numbers, Event ready, bool comes) {
            ready.set();
            if (comes || numbers[5] != 0) wait_once(it, numbers, kSoon.count());
            run_for_ever();
          },
          barrier, count, there, waits || method == Method::kFork);
      REQUIRE(there.wait(kSoon));
      std::thread thread(&wait_once, barrier, count, kForever.count());
      children.start(method == Method::kFork ? Method::kForkserver : method, &wait_once, barrier,
                     count, kForever.count());
      REQUIRE(await([&] { return count[0] == (waits || method == Method::kFork ? 3 : 2); }));
      killed.kill();
      thread.join();
      CHECK(children[1].join(kSoon));
      CHECK(count[2] == 2);
      CHECK_THROWS_WITH(barrier.wait(),
                        Catch::Contains(std::to_string(killed.pid())) && Catch::Contains("killed"));
      barrier.reset();
      CHECK_FALSE(barrier.broken());
    }
  }
}

TEST_CASE("Barrier: a party that has not come is missed however many have it") {
  Barrier barrier(300);
  // Each that opens it has it for itself: as many as there are processes elsewhere.
  std::vector<Barrier> others;
  for (int i = 0; i < 400; ++i) others.push_back(Barrier::open(barrier.handle()));
  const Event there;
  Children children;
  Process& killed = children.start(
      Method::kForkserver,
      [](const Barrier&, Event ready) {
        ready.set();
        run_for_ever();
      },
      barrier, there);
  REQUIRE(there.wait(kSoon));
  const Numbers count;
  std::thread thread(&wait_once, barrier, count, soon());
  REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
  killed.kill();
  thread.join();
  CHECK(count[2] == 1);
  CHECK_THROWS_WITH(barrier.wait(),
                    Catch::Contains(std::to_string(killed.pid())) && Catch::Contains("killed"));
}

TEST_CASE("Barrier: parties killed at random break it for the others") {
  Barrier barrier(3);
  const Numbers passed;
  std::minstd_rand random(11);
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    Children parties;
    for (int i = 0; i < 3; ++i) {
      parties.start(
          Method::kForkserver,
          [](Barrier it, Numbers count) {
            try {
              for (;;) {
                it.wait();
                ++count[0];
              }
            } catch (const BrokenBarrier&) {
              // So it ends.
            }
          },
          barrier, passed);
    }
    const int now = passed[0];
    REQUIRE(await([&] { return passed[0] > now + 30; }));
    for (auto spin = random() % 20'000; spin > 0; --spin) (void)passed[0].load();
    const size_t killed = random() % 3;
    parties[killed].kill();
    for (size_t i = 0; i < 3; ++i) {
      REQUIRE(parties[i].join(kSoon));
      REQUIRE(parties[i].exitcode() == (i == killed ? -SIGKILL : 0));
    }
    REQUIRE_THROWS_WITH(barrier.wait(kSoon),
                        Catch::Contains(std::to_string(parties[killed].pid())));
    barrier.reset();
    REQUIRE_FALSE(barrier.broken());
    REQUIRE(barrier.n_waiting() == 0);
  }
}

TEST_CASE("Barrier: a party that dies in the action breaks it for the others") {
  Barrier barrier(2, &die);
  const Numbers count;
  std::thread thread(&wait_once, barrier, count, kForever.count());
  REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
  Children children;
  Process& child = children.start(Method::kForkserver, &wait_once, barrier, count, soon());
  thread.join();
  CHECK(count[2] == 1);
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == -SIGKILL);
}

TEST_CASE("Barrier: a party that ends in order breaks nothing") {
  Barrier barrier(2);
  const Numbers count;
  Children children;
  children.start(Method::kForkserver, &wait_once, barrier, count, soon());
  barrier.wait(kSoon);
  CHECK(children.joined());
  Process& exits = children.start(
      Method::kForkserver,
      [](Barrier it) {
        it.wait(kSoon);
        std::exit(0);
      },
      barrier);
  barrier.wait(kSoon);
  REQUIRE(exits.join(kSoon));
  std::thread thread(&wait_once, barrier, count, soon());
  REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
  wait_readable(-1, Millis{150});  // long enough for the waiter to look around
  CHECK_FALSE(barrier.broken());
  barrier.wait(kSoon);
  thread.join();
  CHECK(count[1] == 2);
}

TEST_CASE("Barrier: more threads than parties go in rounds") {
  Barrier barrier(2, &count_action);
  std::atomic<int> arrivals = 0;
  std::atomic<int> passed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      while (arrivals++ < 300) {
        barrier.wait(kSoon);
        ++passed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(passed == 300);
}
