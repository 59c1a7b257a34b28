#include "towpath/sync/condition.h"

#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "helpers.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};

// Counts in [0] who is about to wait, in [1] who was notified, in [2] who was not in time.
void wait_once(Condition condition, Numbers count, int64_t timeout) {
  const auto guard = condition.guard();
  ++count[0];
  ++count[condition.wait(Millis{timeout}) ? 1 : 2];
}

// Whoever has counted holds the lock until it waits.
void await_waiting(Condition& condition, const Numbers& count, int number) {
  REQUIRE(await([&] {
    const auto guard = condition.guard(kSoon);
    return count[0] == number;
  }));
}

int64_t forever() { return kForever.count(); }

}  // namespace

TEST_CASE("Condition: notify wakes exactly one, process or thread") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Condition condition;
    const Numbers count;
    Children children;
    for (int i = 0; i < 2; ++i) {
      children.start(method, &wait_once, condition, count, forever());
    }
    await_waiting(condition, count, 2);
    std::thread thread(&wait_once, condition, count, forever());
    await_waiting(condition, count, 3);
    for (int woken = 1; woken <= 3; ++woken) {
      {
        const auto guard = condition.guard();
        CHECK(condition.notify() == 1);
      }
      REQUIRE(await([&] { return count[1] == woken; }));
    }
    {
      const auto guard = condition.guard();
      CHECK(condition.notify() == 0);
    }
    thread.join();
    CHECK(children.joined());
  }
}

TEST_CASE("Condition: six timed out and of six new exactly these six wake") {
  Condition condition;
  const Numbers count;
  for (const bool first : {true, false}) {
    Children children;
    std::vector<std::thread> threads;
    const int64_t timeout = first ? 30 : forever();
    for (int i = 0; i < 3; ++i) {
      children.start(Method::kForkserver, &wait_once, condition, count, timeout);
      threads.emplace_back(&wait_once, condition, count, timeout);
    }
    if (first) {
      REQUIRE(await([&] { return count[2] == 6; }));
    } else {
      await_waiting(condition, count, 12);
      const auto guard = condition.guard();
      CHECK(condition.notify_all() == 6);
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(children.joined());
  }
  CHECK(count[1] == 6);
  CHECK(count[2] == 6);
}

TEST_CASE("Condition: notify takes those who came first") {
  Condition condition;
  const Numbers count;
  std::vector<std::thread> threads;
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto guard = condition.guard();
      ++count[0];
      if (condition.wait(kSoon)) order.push_back(i);
    });
    await_waiting(condition, count, i + 1);
  }
  for (int i = 0; i < 2; ++i) {
    {
      const auto guard = condition.guard();
      CHECK(condition.notify(2) == 2);
    }
    REQUIRE(await([&] {
      const auto guard = condition.guard();
      return order.size() == static_cast<size_t>(2 * i + 2);
    }));
  }
  for (std::thread& thread : threads) thread.join();
  std::sort(order.begin(), order.begin() + 2);
  std::sort(order.begin() + 2, order.end());
  CHECK(order == std::vector{0, 1, 2, 3});
}

TEST_CASE("Condition: it needs its lock, of either kind") {
  Lock lock;
  RLock rlock;
  for (Condition condition : {Condition(), Condition(lock), Condition(rlock)}) {
    CHECK_THROWS_AS(condition.wait(kNow), Invalid);
    CHECK_THROWS_AS(condition.notify(), Invalid);
    CHECK_THROWS_AS(condition.notify_all(), Invalid);
    CHECK_THROWS_AS(condition.release(), Invalid);
    const auto guard = condition.guard();
    CHECK_FALSE(guard.owner_died);
    CHECK_FALSE(condition.wait(kNow));
    CHECK_FALSE(condition.wait(Millis{-1}));
    CHECK_FALSE(condition.wait(Millis{20}));
    CHECK(condition.notify() == 0);
    CHECK_THROWS_AS(condition.notify(0), Invalid);
    std::thread([&] {
      CHECK_THROWS_AS(condition.notify(), Invalid);
      CHECK_THROWS_WITH(condition.wait(),
                        Catch::Contains("needs the lock") && Catch::Contains("thread"));
    }).join();
  }
  CHECK_FALSE(lock.locked());
  CHECK_FALSE(rlock.locked());
}

TEST_CASE("Condition: all levels of an RLock are let go and acquired again") {
  RLock lock;
  Condition condition(lock);
  const auto one = lock.guard();
  const auto two = lock.guard();
  std::thread other([&] {
    const auto guard = condition.guard(kSoon);
    condition.notify();
  });
  CHECK(condition.wait(kSoon));
  other.join();
  std::thread([&] { CHECK_FALSE(lock.acquire(kNow)); }).join();
  lock.release();
  std::thread([&] { CHECK_FALSE(lock.acquire(kNow)); }).join();
  CHECK(lock.acquire());
}

TEST_CASE("Condition: wait_for sees what another process does, or the time pass") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Lock lock;
    Condition condition(lock);
    const Numbers x;
    Children children;
    children.start(
        method,
        [](Condition it, Numbers number) {
          for (int i = 0; i < 4; ++i) {
            const auto guard = it.guard();
            ++number[0];
            it.notify();
          }
        },
        condition, x);
    const auto guard = condition.guard();
    CHECK(condition.wait_for([&] { return x[0] == 4; }, kSoon));
    CHECK_FALSE(condition.wait_for([&] { return x[0] == 5; }, Millis{30}));
    CHECK_FALSE(condition.wait_for([&] { return x[0] == 5; }, kNow));
    CHECK(condition.wait_for([&] { return x[0] == 4; }, kNow));
    CHECK(children.joined());
  }
}

TEST_CASE("Condition: a killed waiter eats no notification") {
  Condition condition;
  const Numbers count;
  Children children;
  Process& first = children.start(Method::kForkserver, &wait_once, condition, count, forever());
  await_waiting(condition, count, 1);
  Process& second = children.start(Method::kForkserver, &wait_once, condition, count, forever());
  await_waiting(condition, count, 2);
  SECTION("killed before") {
    first.kill();
    REQUIRE(first.join(kSoon));
    const auto guard = condition.guard();
    CHECK(condition.notify() == 1);
  }
  SECTION("killed between the wake-up and its return") {
    ::kill(first.pid(), SIGSTOP);
    {
      const auto guard = condition.guard();
      CHECK(condition.notify() == 1);
    }
    CHECK(second.is_alive());
    first.kill();
  }
  CHECK(second.join(kSoon));
  CHECK(count[1] == 1);
}

TEST_CASE("Condition: a signal's handler runs in a wait, which goes on") {
  Condition condition;
  const Numbers count;
  Children children;
  Process& child = children.start(
      Method::kSpawn,
      [](Condition it, Numbers seen) {
        static Numbers* told;
        told = &seen;
        ::signal(SIGINT, [](int) { ++(*told)[1]; });
        const auto guard = it.guard();
        ++seen[0];
        std::exit(it.wait(kSoon) ? 3 : 4);
      },
      condition, count);
  await_waiting(condition, count, 1);
  for (int i = 1; i <= 3; ++i) {
    child.interrupt();
    REQUIRE(await([&] { return count[1] == i; }));
  }
  CHECK(child.is_alive());
  {
    const auto guard = condition.guard(kSoon);
    CHECK(condition.notify() == 1);
  }
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == 3);
}

TEST_CASE("Condition: SIGINT ends a process that waits, and the lock is free") {
  Condition condition;
  const Numbers count;
  Children children;
  Process& child = children.start(
      Method::kForkserver,
      [](const Condition& it, const Numbers& seen) {
        ::signal(SIGINT, SIG_DFL);
        wait_once(it, seen, forever());
      },
      condition, count);
  await_waiting(condition, count, 1);
  child.interrupt();
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == -SIGINT);
  const auto guard = condition.guard(kSoon);
  CHECK_FALSE(guard.owner_died);  // it had let the lock go
  CHECK(count[1] == 0);
}

TEST_CASE("Condition: what a killed waiter leaves is not for those who came later") {
  Condition condition;
  const Numbers count;
  Children children;
  Process& first = children.start(Method::kForkserver, &wait_once, condition, count, forever());
  await_waiting(condition, count, 1);
  ::kill(first.pid(), SIGSTOP);
  {
    const auto guard = condition.guard();
    CHECK(condition.notify_all() == 1);
  }
  first.kill();
  REQUIRE(first.join(kSoon));
  const auto guard = condition.guard();
  CHECK_FALSE(condition.wait(Millis{150}));
}

TEST_CASE("Condition: a lock holder's death is told to who waits") {
  Lock lock;
  Condition condition(lock);
  Children children;
  const auto guard = condition.guard();
  Process& child = children.start(
      Method::kForkserver,
      [](Condition it) {
        it.acquire();
        it.notify();
        ::raise(SIGKILL);
      },
      condition);
  const Woken woken = condition.wait(kSoon);
  CHECK(woken.notified);
  CHECK(woken.owner_died);
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Condition: waiters and notifiers killed at random leave it usable") {
  Condition condition;
  const Numbers count;
  const auto wait_on = [](Condition it, Numbers seen) {
    for (;;) {
      const auto guard = it.guard();
      (void)it.wait();
      ++seen[0];
    }
  };
  Children children;
  std::minstd_rand random(3);
  for (int round = 0; round < 40; ++round) {
    Process& killed = children.start(Method::kForkserver, +wait_on, condition, count);
    Process& other = children.start(Method::kForkserver, +wait_on, condition, count);
    const auto notify_until_more = [&] {
      const int now = count[0];
      return await([&] {
        const auto guard = condition.guard(kSoon);
        condition.notify(2);
        return count[0] > now;
      });
    };
    REQUIRE(notify_until_more());
    for (auto spin = random() % 20'000; spin > 0; --spin) (void)count[0].load();
    killed.kill();
    REQUIRE(killed.join(kSoon));
    REQUIRE(notify_until_more());
    other.kill();
    REQUIRE(other.join(kSoon));
  }
}

TEST_CASE("Condition: who gets a dead waiter's place passes its notification on") {
  Condition condition;
  const Numbers count;
  Children children;
  Process& first = children.start(Method::kForkserver, &wait_once, condition, count, forever());
  await_waiting(condition, count, 1);
  // With those of a second process all places are taken.
  Process& others = children.start(
      Method::kForkserver,
      [](Condition it, Numbers numbers) {
        std::vector<std::thread> threads;
        for (int i = 1; i < 500; ++i) threads.emplace_back(&wait_once, it, numbers, forever());
        for (std::thread& thread : threads) thread.join();
      },
      condition, count);
  await_waiting(condition, count, 500);
  for (const Process* process : {&first, &others}) ::kill(process->pid(), SIGSTOP);
  {
    const auto guard = condition.guard();
    CHECK(condition.notify() == 1);
    first.kill();
    REQUIRE(first.join(kSoon));
    CHECK_FALSE(condition.wait(kNow));  // came later, in the place of the dead
  }
  ::kill(others.pid(), SIGCONT);
  REQUIRE(await([&] { return count[1] == 1; }));
  {
    const auto guard = condition.guard();
    CHECK(condition.notify_all() == 498);
  }
  REQUIRE(others.join(kSoon));
  CHECK(count[1] == 499);
}
