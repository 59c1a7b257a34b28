#include "towpath/sync/semaphore.h"

#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "helpers.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};

}  // namespace

TEST_CASE("Semaphore: has so many permits, and more when they are given") {
  Semaphore semaphore(2);
  CHECK(semaphore.get_value() == 2);
  CHECK(semaphore.acquire(kNow));
  CHECK(semaphore.acquire());
  CHECK(semaphore.locked());
  CHECK_FALSE(semaphore.acquire(kNow));
  CHECK_FALSE(semaphore.acquire(Millis{-3}));
  CHECK_FALSE(semaphore.acquire(Millis{20}));
  semaphore.release(2);
  semaphore.release(3);
  CHECK(semaphore.get_value() == 5);
  CHECK_THROWS_AS(semaphore.release(0), Invalid);
  CHECK_THROWS_AS(Semaphore(-1), Invalid);
  CHECK(Semaphore(0).locked());
}

TEST_CASE("BoundedSemaphore: never has more permits than at first") {
  BoundedSemaphore semaphore(2);
  CHECK_THROWS_AS(semaphore.release(), Invalid);
  CHECK(semaphore.acquire());
  semaphore.release();
  CHECK_THROWS_AS(semaphore.release(), Invalid);
  {
    const auto guard = semaphore.guard();
    CHECK(semaphore.get_value() == 1);
    CHECK_THROWS_AS(semaphore.release(), Invalid);
    CHECK_THROWS_AS(from_bytes<BoundedSemaphore>(to_bytes(semaphore)).release(), Invalid);
  }
  CHECK(semaphore.get_value() == 2);
}

TEST_CASE("Semaphore: permits wake those who wait, in other processes") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Semaphore semaphore(0);
    const Numbers numbers;
    Children children;
    for (int i = 0; i < 3; ++i) {
      children.start(
          method,
          [](Semaphore it, Numbers count) {
            ++count[0];
            if (!it.acquire(kSoon)) std::exit(2);
            ++count[1];
          },
          semaphore, numbers);
    }
    REQUIRE(await([&] { return numbers[0] == 3; }));
    semaphore.release();
    REQUIRE(await([&] { return numbers[1] == 1; }));
    semaphore.release(2);
    CHECK(children.joined());
    CHECK(semaphore.get_value() == 0);
  }
}

TEST_CASE("Semaphore: no more hold it than it has permits") {
  const Semaphore semaphore(2);
  const Numbers numbers;
  const auto work = [](Semaphore it, Numbers seen) {
    for (int i = 0; i < 2'000; ++i) {
      const bool by_guard = i % 2 == 0;
      std::optional<Semaphore::Guard> guard;
      if (by_guard) {
        guard.emplace(it.guard());
      } else {
        it.acquire();
      }
      if (++seen[0] > 2) ++seen[1];
      --seen[0];
      if (!by_guard) it.release();
    }
  };
  Children children;
  for (int i = 0; i < 2; ++i) children.start(Method::kForkserver, +work, semaphore, numbers);
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back(+work, semaphore, numbers);
  for (std::thread& thread : threads) thread.join();
  CHECK(children.joined());
  CHECK(numbers[1] == 0);
  CHECK(semaphore.get_value() == 2);
}

TEST_CASE("Semaphore: a dead guard's permit comes back, and who gets it is told") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Semaphore semaphore(1);
    const Event held;
    Children children;
    Process& child = children.start(
        method,
        [](Semaphore it, Event ready) {
          const auto guard = it.guard();
          ready.set();
          run_for_ever();
        },
        semaphore, held);
    REQUIRE(held.wait(kSoon));
    CHECK_FALSE(semaphore.acquire(kNow));
    child.kill();
    REQUIRE(child.join(kSoon));
    const auto guard = semaphore.guard(kNow);
    CHECK(guard.owner_died);
    CHECK(semaphore.get_value() == 0);
  }
}

TEST_CASE("Semaphore: a permit that is no guard's stays taken") {
  Semaphore semaphore(1);
  Children children;
  children.start(
      Method::kForkserver, [](Semaphore it) { it.acquire(); }, semaphore);
  CHECK(children.joined());
  CHECK_FALSE(semaphore.acquire(Millis{30}));
  semaphore.release();
  CHECK(semaphore.acquire(kNow) == Acquired::kYes);
}

TEST_CASE("Semaphore: more guards at once than there is room for are refused") {
  Semaphore semaphore(0);
  semaphore.release(Semaphore::kGuards + 1);
  std::vector<Semaphore::Guard> guards;
  for (int i = 0; i < Semaphore::kGuards; ++i) guards.push_back(semaphore.guard());
  CHECK_THROWS_AS(semaphore.guard(), Unsupported);
  CHECK(semaphore.acquire(kNow));
}

TEST_CASE("Semaphore: the guards of the dead make room for others") {
  Semaphore semaphore(0);
  semaphore.release(Semaphore::kGuards + 1);
  Children children;
  Process& child = children.start(
      Method::kForkserver,
      [](Semaphore it) {
        std::vector<Semaphore::Guard> guards;
        for (int i = 0; i < Semaphore::kGuards; ++i) guards.push_back(it.guard());
        ::raise(SIGKILL);
      },
      semaphore);
  REQUIRE(child.join(kSoon));
  CHECK(semaphore.guard().owner_died);
  CHECK(semaphore.get_value() == Semaphore::kGuards + 1);
}

TEST_CASE("Semaphore: guards killed at random lose no permit") {
  Semaphore semaphore(2);
  const Numbers numbers;
  const auto work = [](Semaphore it, Numbers count) {
    for (;;) {
      const auto guard = it.guard();
      ++count[0];
    }
  };
  Children children;
  std::minstd_rand random(7);
  for (int round = 0; round < 60; ++round) {
    Process* running[3];
    for (Process*& child : running) {
      child = &children.start(Method::kForkserver, +work, semaphore, numbers);
    }
    for (Process* child : running) {
      const int now = numbers[0];
      REQUIRE(await([&] { return numbers[0] > now; }));
      for (auto spin = random() % 20'000; spin > 0; --spin) (void)numbers[0].load();
      child->kill();
    }
    for (Process* child : running) REQUIRE(child->join(kSoon));
  }
  CHECK(semaphore.acquire(kSoon));
  CHECK(semaphore.acquire(kSoon));
  CHECK_FALSE(semaphore.acquire(kNow));
}

TEST_CASE("Semaphore: as many are told of the dead as permits came back") {
  Semaphore semaphore(3);
  const Event held;
  Children children;
  Process& child = children.start(
      Method::kForkserver,
      [](Semaphore it, Event ready) {
        const auto first = it.guard();
        const auto second = it.guard();
        ready.set();
        run_for_ever();
      },
      semaphore, held);
  REQUIRE(held.wait(kSoon));
  CHECK(semaphore.acquire(kSoon) == Acquired::kYes);
  child.kill();
  REQUIRE(child.join(kSoon));
  CHECK(semaphore.acquire(kNow) == Acquired::kOwnerDied);
  CHECK(semaphore.acquire(kNow) == Acquired::kOwnerDied);
  CHECK_FALSE(semaphore.acquire(kNow));
  semaphore.release();
  CHECK(semaphore.acquire(kNow) == Acquired::kYes);
}
