#include "towpath/sync/lock.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <thread>

#include "helpers.h"
#include "towpath/sync/event.h"
#include "towpath/sync/rlock.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};

template <class AnyLock>
void hold(AnyLock lock, Event held, Event let_go) {
  lock.acquire();
  held.set();
  let_go.wait(kSoon);
  lock.release();
}

template <class AnyLock>
void hold_for_ever(AnyLock lock, Event held) {
  lock.acquire();
  held.set();
  run_for_ever();
}

}  // namespace

TEMPLATE_TEST_CASE("Lock and RLock: what a child holds nobody else gets", "", Lock, RLock) {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    TestType lock;
    const Event held;
    Event let_go;
    Children children;
    Process& child = children.start(method, &hold<TestType>, lock, held, let_go);
    REQUIRE(held.wait(kSoon));
    CHECK(lock.locked());
    CHECK(lock.acquire(kNow) == Acquired::kNo);
    CHECK(lock.acquire(Millis{-5}) == Acquired::kNo);
    CHECK(lock.acquire(Millis{20}) == Acquired::kNo);
    CHECK_THROWS_AS(lock.guard(kNow), Timeout);
    CHECK(lock.owner().kind == LockOwner::kOtherProcess);
    CHECK(lock.owner().text() == "process " + std::to_string(child.pid()));
    let_go.set();
    CHECK(lock.acquire(kSoon) == Acquired::kYes);
    CHECK(lock.owner().kind == LockOwner::kThisThread);
    CHECK(lock.owner().text() == "this thread");
    lock.release();
    CHECK(lock.owner().text() == "nobody");
    CHECK_FALSE(lock.locked());
    CHECK(children.joined());
  }
}

TEMPLATE_TEST_CASE("Lock and RLock: a dead owner frees it and the next is told", "", Lock, RLock) {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    TestType lock;
    for (const bool reaped : {true, false}) {
      const Event held;
      Children children;
      Process& child = children.start(method, &hold_for_ever<TestType>, lock, held);
      REQUIRE(held.wait(kSoon));
      ::kill(child.pid(), SIGKILL);
      REQUIRE(wait_readable(child.sentinel(), kSoon));  // a zombie has ended, too
      if (reaped) REQUIRE(child.join(kSoon));
      CHECK_FALSE(lock.locked());
      CHECK_THAT(lock.owner().text(), Catch::Contains("which has ended"));
      if (reaped) {
        CHECK(lock.acquire(kNow) == Acquired::kOwnerDied);
        lock.release();
      } else {
        const auto guard = lock.guard(kNow);
        CHECK(guard.owner_died);
      }
      CHECK(lock.acquire(kNow) == Acquired::kYes);
      lock.release();
    }
  }
}

TEMPLATE_TEST_CASE("Lock and RLock: a waiter is told of a death while it waits", "", Lock, RLock) {
  TestType lock;
  const Event held;
  Children children;
  Process& child = children.start(Method::kForkserver, &hold_for_ever<TestType>, lock, held);
  REQUIRE(held.wait(kSoon));
  std::thread killer([&] { child.kill(); });
  CHECK(lock.acquire(kSoon) == Acquired::kOwnerDied);
  killer.join();
}

TEST_CASE("Lock: anyone may release it and nobody twice") {
  Lock lock;
  CHECK(lock.acquire());
  CHECK(lock.acquire(kNow) == Acquired::kNo);
  std::thread([&] {
    CHECK(lock.owner().kind == LockOwner::kOtherThread);
    CHECK_THAT(lock.owner().text(), Catch::Contains("of this process"));
    lock.release();
  }).join();
  CHECK_THROWS_AS(lock.release(), Invalid);
  Children children;
  CHECK(lock.acquire());
  children.start(
      Method::kSpawn, [](Lock it) { it.release(); }, lock);
  CHECK(children.joined());
  CHECK_FALSE(lock.locked());
}

TEST_CASE("Lock: a guard releases at its end and nothing that is not its own") {
  Lock lock;
  {
    const auto guard = lock.guard();
    CHECK_FALSE(guard.owner_died);
    CHECK(lock.locked());
  }
  CHECK_FALSE(lock.locked());
  {
    const auto guard = lock.guard();
    lock.release();
  }
  CHECK_FALSE(lock.locked());
}

TEST_CASE("Lock: copies are the same lock and its end is its maker's last copy") {
  std::optional<Lock> first(std::in_place);
  std::optional<Lock> second(*first);
  const Handle handle = first->handle();
  CHECK(first->acquire());
  CHECK(second->acquire(kNow) == Acquired::kNo);
  CHECK(Lock::open(handle).locked());
  first.reset();
  CHECK(second->locked());
  CHECK(from_bytes<Lock>(to_bytes(*second)).locked());
  second.reset();
  CHECK_THROWS_AS(Lock::open(handle), Closed);
  CHECK_THROWS_WITH(Lock::open(handle), Catch::Contains(handle.name) && Catch::Contains("ended"));
  CHECK_THROWS_AS(Lock::open(RLock().handle()), Invalid);
  CHECK_THROWS_AS(from_bytes<Lock>(to_bytes(std::string("../etc/passwd"))), Invalid);
  CHECK_THROWS_AS(from_bytes<Lock>(to_bytes(std::string("s1-2/../lock-1"))), Invalid);
}

TEST_CASE("RLock: its thread acquires it again and nobody else releases it") {
  RLock lock;
  CHECK(lock.acquire());
  CHECK(lock.acquire(kNow));
  {
    const auto guard = lock.guard(kNow);
    lock.release();
    CHECK(lock.locked());
  }
  CHECK(lock.locked());
  std::thread([&] {
    CHECK(lock.acquire(kNow) == Acquired::kNo);
    CHECK_THROWS_AS(lock.release(), Invalid);
    CHECK(lock.owner().kind == LockOwner::kOtherThread);
  }).join();
  lock.release();
  CHECK_FALSE(lock.locked());
  CHECK_THROWS_AS(lock.release(), Invalid);
}

TEST_CASE("RLock: a thread that ends with it frees it") {
  RLock lock;
  std::thread([&] { CHECK(lock.acquire()); }).join();
  CHECK(lock.acquire(kSoon) == Acquired::kOwnerDied);
  CHECK(lock.acquire(kNow) == Acquired::kYes);
}

TEST_CASE("Lock: a thread that ends with it does not free it") {
  Lock lock;
  std::thread([&] { CHECK(lock.acquire() == Acquired::kYes); }).join();
  CHECK(lock.locked());
  CHECK(lock.acquire(Millis{250}) == Acquired::kNo);  // long enough to look after its owner
  CHECK(lock.owner().kind == LockOwner::kOtherThread);
  lock.release();
  CHECK(lock.acquire(kNow) == Acquired::kYes);
}

TEST_CASE("Lock: threads and processes never hold it together") {
  const Lock lock;
  const Numbers numbers;
  const auto work = [](Lock it, Numbers seen) {
    for (int i = 0; i < 20'000; ++i) {
      const auto guard = it.guard();
      const int before = seen[0];
      seen[0].store(before + 1, std::memory_order_relaxed);
    }
  };
  Children children;
  for (int i = 0; i < 3; ++i) children.start(Method::kForkserver, +work, lock, numbers);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(+work, lock, numbers);
  for (std::thread& thread : threads) thread.join();
  CHECK(children.joined());
  CHECK(numbers[0] == 6 * 20'000);
}

TEST_CASE("Lock: holders killed at random leave it usable and are noticed") {
  Lock lock;
  const Numbers numbers;  // two that change together, and how often somebody was told
  const auto work = [](Lock it, Numbers both) {
    for (;;) {
      const auto guard = it.guard();
      if (guard.owner_died) both[1] = both[0].load();
      if (both[0] != both[1]) std::_Exit(7);
      ++both[0];
      ++both[1];
    }
  };
  Children children;
  std::minstd_rand random(42);
  for (int round = 0; round < 60; ++round) {
    Process& first = children.start(Method::kForkserver, +work, lock, numbers);
    Process& second = children.start(Method::kForkserver, +work, lock, numbers);
    const int begun = numbers[0];
    REQUIRE(await([&] { return numbers[0] > begun; }));
    for (auto spin = random() % 20'000; spin > 0; --spin) (void)numbers[0].load();
    first.kill();
    const int now = numbers[0];
    REQUIRE(await([&] { return numbers[0] > now; }));
    second.kill();
    REQUIRE(first.join(kSoon));
    REQUIRE(second.join(kSoon));
    CHECK(first.exitcode() == -SIGKILL);
    CHECK(second.exitcode() == -SIGKILL);
  }
  CHECK(lock.acquire(kSoon));
}

TEST_CASE("Lock: a guard whose lock was released does not release the next one's") {
  Lock lock;
  {
    const auto guard = lock.guard();
    lock.release();  // as anyone may
    std::thread([&lock] { lock.acquire(kSoon); }).join();
  }
  CHECK(lock.owner().kind == LockOwner::kOtherThread);
  CHECK(lock.locked());
  lock.release();
  { const auto guard = lock.guard(kNow); }
  CHECK_FALSE(lock.locked());
}
