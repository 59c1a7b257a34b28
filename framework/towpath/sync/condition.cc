#include "towpath/sync/condition.h"

#include <array>
#include <climits>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/sync/waiters.h"

namespace towpath {
namespace {

std::variant<Lock, RLock> open_lock(const char* text) {
  const Handle handle = Handle::parse(text);
  if (handle.name.starts_with("rlock-")) return RLock::open(handle);
  return Lock::open(handle);
}

}  // namespace

struct Condition::State {
  std::array<char, 512> lock;  // its handle
  Waiters waiters;
};

Condition::Condition() : Condition(RLock()) {}
Condition::Condition(const Lock& lock) : Condition(lock, lock.handle()) {}
Condition::Condition(const RLock& lock) : Condition(lock, lock.handle()) {}

Condition::Condition(std::variant<Lock, RLock> lock, const Handle& handle)
    : file_(SessionFile::create(kKind, sizeof(State))),
      state_(&file_.as<State>()),
      lock_(std::move(lock)) {
  const std::string text = handle.text();
  expect(text.size() < state_->lock.size(), "a handle longer than file names are");
  text.copy(state_->lock.data(), text.size());
}

Condition::Condition(SessionFile file)
    : file_(std::move(file)), state_(&file_.as<State>()), lock_(open_lock(state_->lock.data())) {}

Acquired Condition::acquire(Millis timeout) {
  return std::visit([timeout](auto& lock) { return lock.acquire(timeout); }, lock_);
}
void Condition::release() {
  std::visit([](auto& lock) { lock.release(); }, lock_);
}
Condition::Guard Condition::guard(Millis timeout) {
  return std::visit(
      [timeout](auto& lock) {
        auto guard = lock.guard(timeout);
        const bool died = guard.owner_died;
        return Guard(std::move(guard), died);
      },
      lock_);
}

void Condition::require_lock(const char* what) const {
  const LockOwner owner = std::visit(
      [](const auto& lock) {
        // Asked of what is known here only: whether another has died does not matter.
        LockOwner it;
        const Holder holder = lock.state_->word.holder();
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(lock)>, RLock>) {
          if (holder == this_thread()) it.kind = LockOwner::kThisThread;
        } else {
          const uint32_t tid = lock.state_->tid.load(std::memory_order_relaxed);
          if (holder == this_process() && tid == number_of(this_thread()))
            it.kind = LockOwner::kThisThread;
        }
        return it.kind == LockOwner::kThisThread ? it : lock.owner();
      },
      lock_);
  if (owner.kind != LockOwner::kThisThread) {
    throw Invalid(
        format("{}: {} needs the lock, which is held by {}", handle().name, what, owner.text()));
  }
}

// The number of levels let go.
uint32_t Condition::let_go() {
  if (Lock* const lock = std::get_if<Lock>(&lock_)) {
    lock->release();
    return 1;
  }
  RLock::State& state = *std::get<RLock>(lock_).state_;
  const uint32_t depth = state.depth.exchange(1, std::memory_order_relaxed);
  RLock::release_own(state);
  return depth;
}

Acquired Condition::acquire_again(uint32_t depth) {
  const Acquired acquired = acquire();
  if (RLock* const lock = std::get_if<RLock>(&lock_))
    lock->state_->depth.store(depth, std::memory_order_relaxed);
  return acquired;
}

Woken Condition::wait(Millis timeout) {
  require_lock("wait");
  const int place = state_->waiters.enter();
  if (place < 0) {
    throw Unsupported(format("{}: {} wait already; no more can", handle().name, Waiters::kPlaces));
  }
  uint32_t depth = 0;
  try {
    depth = let_go();
  } catch (...) {
    state_->waiters.withdraw(place);  // another thread released the lock meanwhile
    throw;
  }
  const int notified = state_->waiters.wait(place, timeout);
  const Acquired acquired = acquire_again(depth);
  // Only now: who dies before has not made use of it.
  if (notified >= 0) state_->waiters.leave(notified);
  return {notified >= 0, acquired.owner_died()};
}

int Condition::notify(int n) {
  require_lock("notify");
  if (n < 1) throw Invalid(format("{}: notify({}); 1 is the least", handle().name, n));
  return state_->waiters.notify(n);
}

int Condition::notify_all() {
  require_lock("notify_all");
  return state_->waiters.notify(INT_MAX);
}

}  // namespace towpath
