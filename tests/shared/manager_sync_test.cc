// Queues and the primitives of sync/ as a Manager serves them.
#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "helpers.h"
#include "towpath/process/remote_error.h"
#include "towpath/shared/manager.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};
constexpr Millis kShort{20};

void acquire_and_stay(LockProxy lock, RLockProxy rlock, SemaphoreProxy semaphore, Event done) {
  lock.acquire();
  rlock.acquire();
  rlock.acquire();
  const auto guard = semaphore.guard();
  (void)semaphore.acquire();
  done.set();
  run_for_ever();
}

}  // namespace

TEST_CASE("QueueProxy: it keeps order and bounds") {
  Manager manager;
  auto queue = manager.queue<int>(2);
  queue.put(1);
  queue.put_nowait(2);
  CHECK(queue.full());
  CHECK_THROWS_AS(queue.put(3, kNow), Full);
  CHECK_THROWS_AS(queue.put(3, kShort), Full);
  CHECK_THROWS_AS(queue.put(3, Millis{-1}), Full);
  CHECK(queue.qsize() == 2);
  CHECK(queue.get() == 1);
  CHECK(queue.get_nowait() == 2);
  CHECK(queue.empty());
  CHECK_THROWS_AS(queue.get(kNow), Empty);
  CHECK_THROWS_AS(queue.get(kShort), Empty);
  CHECK_THROWS_AS(manager.queue<int>().get(Millis{-1}), Empty);
}

TEST_CASE("QueueProxy: an item that its getter can't decode stays") {
  Manager manager;
  auto queue = manager.queue<int>();
  queue.put(1);
  queue.put(2);
  auto texts = from_bytes<QueueProxy<std::string>>(to_bytes(queue));
  CHECK_THROWS_AS(texts.get(kNow), Invalid);
  CHECK(queue.qsize() == 2);
  CHECK_THROWS_AS(from_bytes<ObjectProxy<>>(to_bytes(queue)).call("get", int64_t{0}, 1), Invalid);
  CHECK(queue.get(kNow) == 1);
  CHECK(queue.get(kNow) == 2);
}

TEST_CASE("QueueProxy: who waits holds up nobody") {
  Manager manager;
  auto queue = manager.queue<std::string>(1);
  std::vector<std::thread> getters;
  std::atomic<int> got{0};
  for (int i = 0; i < 5; ++i) {
    getters.emplace_back([&, mine = queue]() mutable {
      if (mine.get() == "item") ++got;
    });
  }
  auto other = manager.list<int>();
  for (int i = 0; i < 20; ++i) other.append(i);
  CHECK(other.size() == 20);
  CHECK(got == 0);
  for (int i = 0; i < 5; ++i) queue.put("item");
  for (std::thread& getter : getters) getter.join();
  CHECK(got == 5);
}

TEST_CASE("QueueProxy: join waits until all is done") {
  Manager manager;
  auto queue = manager.queue<int>();
  CHECK(queue.join(kNow));
  for (int i = 0; i < 4; ++i) queue.put(i);
  CHECK_FALSE(queue.join(kShort));
  Children children;
  const auto work = [](QueueProxy<int> jobs) {
    for (int i = 0; i < 2; ++i) {
      (void)jobs.get();
      jobs.task_done();
    }
  };
  children.start(Method::kForkserver, work, queue);
  children.start(Method::kForkserver, work, queue);
  CHECK(queue.join(kSoon));
  CHECK(children.joined());
  CHECK_THROWS_AS(queue.task_done(), Invalid);
}

TEST_CASE("LockProxy and RLockProxy: what one holds nobody else gets") {
  Manager manager;
  auto lock = manager.lock();
  auto rlock = manager.rlock();
  CHECK(lock.acquire());
  CHECK(lock.locked());
  CHECK(lock.acquire(kNow) == Acquired::kNo);
  CHECK(lock.acquire(kShort) == Acquired::kNo);
  CHECK(rlock.acquire());
  CHECK(rlock.acquire());
  std::thread([&] {
    CHECK(rlock.acquire(kNow) == Acquired::kNo);
    CHECK_THROWS_AS(rlock.release(), Invalid);
    CHECK_THROWS_AS(lock.guard(kNow), Timeout);
    lock.release();  // anyone may
  }).join();
  CHECK_FALSE(lock.locked());
  CHECK_THROWS_AS(lock.release(), Invalid);
  rlock.release();
  CHECK(rlock.locked());
  rlock.release();
  CHECK_FALSE(rlock.locked());
  CHECK_THROWS_AS(rlock.release(), Invalid);
  {
    const auto guard = lock.guard();
    CHECK_FALSE(guard.owner_died);
    CHECK(lock.locked());
  }
  CHECK_FALSE(lock.locked());
}

TEST_CASE("LockProxy: it guards what processes change") {
  Manager manager;
  auto lock = manager.lock();
  auto value = manager.value<int>(0);
  const auto add = [](LockProxy guarding, ValueProxy<int> it) {
    for (int i = 0; i < 50; ++i) {
      const auto guard = guarding.guard();
      it.set(it.get() + 1);
    }
  };
  Children children;
  children.start(Method::kForkserver, add, lock, value);
  children.start(Method::kForkserver, add, lock, value);
  add(lock, value);
  REQUIRE(children.joined());
  CHECK(value.get() == 150);
}

TEST_CASE(
    "LockProxy and SemaphoreProxy: what a killed client held comes back and the next is told") {
  Manager manager;
  auto lock = manager.lock();
  auto rlock = manager.rlock();
  auto semaphore = manager.semaphore(2);
  const Event done;
  Children children;
  Process& child =
      children.start(Method::kForkserver, &acquire_and_stay, lock, rlock, semaphore, done);
  REQUIRE(done.wait(kSoon));
  CHECK(lock.acquire(kNow) == Acquired::kNo);
  CHECK(semaphore.get_value() == 0);
  std::thread killer([&] { child.kill(); });
  CHECK(lock.acquire(kSoon) == Acquired::kOwnerDied);
  killer.join();
  lock.release();
  CHECK(lock.acquire(kNow) == Acquired::kYes);
  CHECK(rlock.acquire(kSoon) == Acquired::kOwnerDied);
  // A guard's permit comes back; the other has no owner.
  CHECK(semaphore.acquire(kSoon) == Acquired::kOwnerDied);
  CHECK(semaphore.acquire(kNow) == Acquired::kNo);
}

TEST_CASE("SemaphoreProxy: permits and bounds") {
  Manager manager;
  auto two = manager.semaphore(2);
  CHECK(two.acquire());
  CHECK(two.acquire());
  CHECK_FALSE(two.acquire(kNow));
  two.release(3);
  CHECK(two.get_value() == 3);
  CHECK_THROWS_AS(two.release(0), Invalid);
  {
    const auto guard = two.guard();
    CHECK(two.get_value() == 2);
  }
  CHECK(two.get_value() == 3);
  auto bounded = manager.bounded_semaphore(1);
  CHECK_THROWS_AS(bounded.release(), Invalid);
  CHECK(bounded.acquire());
  CHECK_THROWS_AS(bounded.guard(kNow), Timeout);
  bounded.release();
  CHECK_THROWS_AS(manager.semaphore(-1), Invalid);
}

TEST_CASE("EventProxy: waiters of other processes see it set") {
  Manager manager;
  auto event = manager.event();
  CHECK_FALSE(event.wait(kShort));
  auto ready = manager.queue<int>();
  Children children;
  children.start(
      Method::kForkserver,
      [](EventProxy it, QueueProxy<int> say) {
        say.put(1);
        if (!it.wait(kSoon)) std::exit(2);
      },
      event, ready);
  CHECK(ready.get(kSoon) == 1);
  event.set();
  CHECK(event.is_set());
  CHECK(event.wait(kNow));
  CHECK(children.joined());
  event.clear();
  CHECK_FALSE(event.is_set());
}

TEST_CASE("ConditionProxy: notify wakes one and notify_all the others") {
  Manager manager;
  auto condition = manager.condition();
  CHECK_THROWS_AS(condition.wait(kNow), Invalid);
  CHECK_THROWS_AS(condition.notify(), Invalid);
  std::atomic<int> waiting{0}, woken{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&, mine = condition]() mutable {
      const auto guard = mine.guard();
      ++waiting;
      if (mine.wait(kSoon)) ++woken;
    });
  }
  // Who has the lock while all are counted knows that all wait.
  REQUIRE(await([&] {
    const auto guard = condition.guard();
    return waiting == 3;
  }));
  {
    const auto guard = condition.guard();
    CHECK(condition.notify() == 1);
  }
  REQUIRE(await([&] { return woken == 1; }));
  {
    const auto guard = condition.guard();
    CHECK_FALSE(condition.wait(kShort));  // all levels are let go, and got again
    CHECK(condition.notify_all() == 2);
    CHECK(condition.notify_all() == 0);
    CHECK_THROWS_AS(condition.notify(0), Invalid);
  }
  for (std::thread& waiter : waiters) waiter.join();
  CHECK(woken == 3);
}

TEST_CASE("ConditionProxy: wait_for across processes with a lock that is given") {
  Manager manager;
  auto lock = manager.lock();
  auto condition = manager.condition(lock);
  auto value = manager.value<int>(0);
  Children children;
  children.start(
      Method::kForkserver,
      [](ConditionProxy it, ValueProxy<int> x) {
        for (int i = 0; i < 4; ++i) {
          const auto guard = it.guard();
          x.set(x.get() + 1);
          it.notify();
        }
      },
      condition, value);
  {
    const auto guard = condition.guard();
    CHECK(lock.locked());
    CHECK(condition.wait_for([&] { return value.get() == 4; }, kSoon));
    CHECK_FALSE(condition.wait_for([&] { return value.get() == 5; }, kShort));
  }
  CHECK(children.joined());
  const auto event = manager.event();
  CHECK_THROWS_AS(manager.condition(from_bytes<LockProxy>(to_bytes(lock))).notify(), Invalid);
}

TEST_CASE("ConditionProxy: a killed waiter eats no notification") {
  Manager manager;
  auto condition = manager.condition();
  auto ready = manager.queue<int>();
  const auto wait = [](ConditionProxy it, QueueProxy<int> say) {
    const auto guard = it.guard();
    say.put(1);
    if (!it.wait(kSoon)) std::exit(2);
  };
  Children children;
  Process& first = children.start(Method::kForkserver, wait, condition, ready);
  CHECK(ready.get(kSoon) == 1);
  Process& second = children.start(Method::kForkserver, wait, condition, ready);
  CHECK(ready.get(kSoon) == 1);
  first.kill();
  REQUIRE(first.join(kSoon));
  // Until the manager has seen the end, a notification may go to the dead, which passes it on.
  const auto guard = condition.guard();
  CHECK(condition.notify() == 1);
  condition.release();
  CHECK(second.join(kSoon));
  CHECK(second.exitcode() == 0);
  condition.acquire();
}

TEST_CASE("BarrierProxy: processes go on together") {
  Manager manager;
  auto barrier = manager.barrier(3);
  auto seen = manager.list<int64_t>();
  const auto meet = [](BarrierProxy it, ListProxy<int64_t> indexes) {
    for (int round = 0; round < 5; ++round) indexes.append(it.wait(kSoon));
  };
  Children children;
  children.start(Method::kForkserver, meet, barrier, seen);
  children.start(Method::kForkserver, meet, barrier, seen);
  meet(barrier, seen);
  REQUIRE(children.joined());
  std::multiset<int64_t> all;
  for (const int64_t index : seen.values()) all.insert(index);
  for (int64_t index = 0; index < 3; ++index) CHECK(all.count(index) == 5);
  CHECK(barrier.n_waiting() == 0);
  CHECK_FALSE(barrier.broken());
  CHECK(barrier.parties() == 3);
  CHECK_THROWS_AS(manager.barrier(0), Invalid);
}

TEST_CASE("BarrierProxy: time-outs and abort and deaths break it until reset") {
  Manager manager;
  auto barrier = manager.barrier(2);
  CHECK_THROWS_AS(barrier.wait(kShort), BrokenBarrier);
  CHECK_THROWS_WITH(barrier.wait(), Catch::Contains("waited longer than 20 ms"));
  CHECK(barrier.broken());
  barrier.reset();
  CHECK_FALSE(barrier.broken());
  bool told = false;
  std::thread waiting([&] {
    try {
      barrier.wait(kSoon);
    } catch (const BrokenBarrier&) {
      told = true;
    }
  });
  REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
  barrier.abort();
  waiting.join();
  CHECK(told);
  CHECK_THROWS_WITH(barrier.wait(), Catch::Contains("abort() was called"));
  barrier.reset();
  Children children;
  Process& child = children.start(
      Method::kForkserver, [](BarrierProxy it) { it.wait(); }, barrier);
  REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
  child.kill();
  REQUIRE(await([&] { return barrier.broken(); }));
  CHECK_THROWS_WITH(barrier.wait(), Catch::Contains("a process that waited has ended"));
}

TEST_CASE("BarrierProxy: its action runs once a round in the manager") {
  Manager manager;
  auto barrier = manager.barrier(2, [] {
    static int times = 0;
    if (++times == 3) throw std::runtime_error("third time");
  });
  auto second = barrier;
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> passed{0}, broken{0}, thrown{0};
    const auto meet = [&](BarrierProxy it) {
      try {
        it.wait(kSoon);
        ++passed;
      } catch (const BrokenBarrier&) {
        ++broken;
      } catch (const std::runtime_error&) {
        ++thrown;
      }
    };
    std::thread other(meet, second);
    meet(barrier);
    other.join();
    CHECK(passed == (round < 2 ? 2 : 0));
    CHECK(broken == (round < 2 ? 0 : 1));
    CHECK(thrown == (round < 2 ? 0 : 1));
  }
}
