// A process that is killed behind any one instruction of what it does with a lock, semaphore,
// condition or barrier: whatever it left, the others go on.
#include <catch2/catch.hpp>

#include "helpers.h"
#include "stepped.h"
#include "towpath/sync/barrier.h"
#include "towpath/sync/condition.h"
#include "towpath/sync/lock.h"
#include "towpath/sync/rlock.h"
#include "towpath/sync/semaphore.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};

// Does it with one of its own, and then to be stepped through with the one that is given: what a
// process does once only is behind it by then.
template <class T, class Act>
void step_through(T given, T own, Act act) {
  act(own);
  between_stops([&] { act(given); });
}

void lock_and_unlock(Lock lock) {
  step_through(lock, Lock(), [](Lock& it) {
    it.acquire();
    it.release();
  });
}
void lock_twice_and_unlock(RLock lock) {
  step_through(lock, RLock(), [](RLock& it) {
    it.acquire();
    it.acquire();
    it.release();
    it.release();
  });
}
void take_and_give(Semaphore semaphore) {
  step_through(semaphore, Semaphore(), [](Semaphore& it) { const auto guard = it.guard(); });
}
void wait_for_nothing(Condition condition) {
  step_through(condition, Condition(), [](Condition& it) {
    const auto guard = it.guard();
    it.wait(kNow);
  });
}
void notify_one(Condition condition) {
  step_through(condition, Condition(), [](Condition& it) {
    const auto guard = it.guard();
    it.notify();
  });
}
void meet(Barrier barrier) {
  step_through(barrier, Barrier(1), [](Barrier& it) { it.wait(kSoon); });
}

// [0]: about to wait; [1]: notified, or passed; [2]: the barrier was broken.
void wait_until_notified(Condition condition, Numbers count) {
  const auto guard = condition.guard(kSoon);
  ++count[0];
  if (condition.wait(kSoon)) ++count[1];
}
void be_the_other_party(Barrier barrier, Numbers count) {
  ++count[0];
  try {
    barrier.wait(kSoon);
    ++count[1];
  } catch (const BrokenBarrier&) {
    ++count[2];
  }
}

// How many instructions it takes.
template <class... A>
int all_steps(void (*act)(A...), const std::type_identity_t<A>&... args) {
  Stepped child(act, args...);
  int count = 0;
  while (child.step()) ++count;
  child.kill();
  REQUIRE(count > 10);
  return count;
}

template <class AnyLock>
void check_lock(void (*act)(AnyLock)) {
  const int all = all_steps(act, AnyLock());
  int held = 0;
  for (const int steps : some_steps(all, 100)) {
    CAPTURE(steps, all);
    AnyLock lock;
    Stepped child(act, lock);
    const bool within = child.steps(steps);
    const bool was_held = lock.locked();
    held += was_held;
    CHECK_FALSE((was_held && !within));
    child.kill();
    REQUIRE_FALSE(lock.locked());
    REQUIRE(lock.acquire(kNow) == (was_held ? Acquired::kOwnerDied : Acquired::kYes));
    lock.release();
    REQUIRE_FALSE(lock.locked());
    REQUIRE(lock.acquire(kNow) == Acquired::kYes);
    lock.release();
    REQUIRE_THROWS_AS(lock.release(), Invalid);
  }
  CHECK(held > 3);
}

// A process that waits, and is waiting.
Meanwhile waiting(Condition& condition, const Numbers& count) {
  const int before = count[0];
  Meanwhile waiter(&wait_until_notified, condition, count);
  REQUIRE(await([&] {
    const auto guard = condition.guard(kSoon);
    return count[0] > before;
  }));
  return waiter;
}

}  // namespace

TEST_CASE("Lock: killed at any instruction of acquire and release it is free and told") {
  if (can_step()) check_lock<Lock>(&lock_and_unlock);
}

TEST_CASE("RLock: killed at any instruction of its levels it is free and told") {
  if (can_step()) check_lock<RLock>(&lock_twice_and_unlock);
}

TEST_CASE("Semaphore: killed at any instruction of a guard its permit is there once") {
  if (!can_step()) return;
  const int all = all_steps(&take_and_give, Semaphore(1));
  int told = 0;
  for (const int steps : some_steps(all, 100)) {
    CAPTURE(steps, all);
    Semaphore semaphore(1);
    Stepped child(&take_and_give, semaphore);
    const bool within = child.steps(steps);
    child.kill();
    const Acquired acquired = semaphore.acquire(kNow);
    REQUIRE(acquired);
    told += acquired.owner_died();
    if (!within) REQUIRE(acquired == Acquired::kYes);
    REQUIRE_FALSE(semaphore.acquire(kNow));
    semaphore.release();
    REQUIRE(semaphore.get_value() == 1);
    { const auto guard = semaphore.guard(kNow); }
    REQUIRE(semaphore.get_value() == 1);
  }
  CHECK(told > 3);
}

TEST_CASE("Condition: killed at any instruction of a wait it leaves nothing to others") {
  if (!can_step()) return;
  const int all = all_steps(&wait_for_nothing, Condition());
  for (const int steps : some_steps(all, 30)) {
    CAPTURE(steps, all);
    Condition condition;
    const Numbers count;
    Stepped child(&wait_for_nothing, condition);
    child.steps(steps);
    child.kill();
    {
      const auto guard = condition.guard(kNow);
      REQUIRE(condition.notify() <= 1);     // of all who wait the dead one may be one
      REQUIRE_FALSE(condition.wait(kNow));  // came later
    }
    Meanwhile waiter = waiting(condition, count);
    {
      const auto guard = condition.guard(kNow);
      REQUIRE(count[1] == 0);
      REQUIRE(condition.notify() == 1);
    }
    REQUIRE(waiter.ends());
    REQUIRE(count[1] == 1);
  }
}

TEST_CASE("Condition: killed at any instruction of notify who waits is notified once") {
  if (!can_step()) return;
  const int all = [] {
    Condition condition;
    const Numbers count;
    Meanwhile waiter = waiting(condition, count);
    return all_steps(&notify_one, condition);
  }();
  for (const int steps : some_steps(all, 25)) {
    CAPTURE(steps, all);
    Condition condition;
    const Numbers count;
    Meanwhile first = waiting(condition, count);
    Meanwhile second = waiting(condition, count);
    Stepped child(&notify_one, condition);
    const bool within = child.steps(steps);
    child.kill();
    // One of them by the dead one, if it got so far; whoever is left by this.
    const auto notified = [&] {
      const auto guard = condition.guard(kSoon);
      return condition.notify();
    };
    REQUIRE(notified() == 1);
    REQUIRE(notified() <= (within ? 1 : 0));
    REQUIRE(notified() == 0);
    REQUIRE(first.ends());
    REQUIRE(second.ends());
    REQUIRE(count[1] == 2);
  }
}

TEST_CASE("Barrier: killed at any instruction of a wait it holds up nobody") {
  if (!can_step()) return;
  const int all = [] {
    Barrier barrier(2);
    const Numbers count;
    Meanwhile other(&be_the_other_party, barrier, count);
    REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
    return all_steps(&meet, barrier);
  }();
  for (const int steps : some_steps(all, 15)) {
    CAPTURE(steps, all);
    Barrier barrier(2);
    const Numbers count;
    Meanwhile other(&be_the_other_party, barrier, count);
    REQUIRE(await([&] { return barrier.n_waiting() == 1; }));
    Stepped child(&meet, barrier);
    const bool within = child.steps(steps);
    child.kill();
    // It passes with the dead one, or with this, or hears of the death.
    be_the_other_party(barrier, count);
    REQUIRE(other.ends());
    REQUIRE(count[1] + count[2] == 2);
    if (!within) REQUIRE(count[1] == 1);  // and this came too late
    barrier.reset();
    REQUIRE_FALSE(barrier.broken());
    const Numbers again;
    Meanwhile next(&be_the_other_party, barrier, again);
    be_the_other_party(barrier, again);
    REQUIRE(next.ends());
    REQUIRE(again[1] == 2);
  }
}
