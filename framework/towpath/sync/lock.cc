#include "towpath/sync/lock.h"

#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

Lock::Lock() : Lock(SessionFile::create(kKind, sizeof(State))) {}
Lock::Lock(SessionFile file) : file_(std::move(file)), state_(&file_.as<State>()) {}

Acquired Lock::acquire(Millis timeout) {
  const uint32_t tid = number_of(this_thread());
  const Acquired acquired = state_->word.acquire(this_process(), timeout, &process_ended);
  if (acquired) state_->tid.store(tid, std::memory_order_relaxed);
  return acquired;
}

// What is told of a holder goes before the lock does. False: nobody held it.
bool Lock::State::release() {
  if (word.holder() == 0) return false;
  tid.store(0, std::memory_order_relaxed);
  return word.release();
}

void Lock::release() {
  if (!state_->release())
    throw Invalid(format("{}: release() while nobody holds it", handle().name));
}

Lock::Guard Lock::guard(Millis timeout) {
  const Acquired acquired = acquire(timeout);
  if (!acquired) {
    throw Timeout(format("{}: not acquired in {} ms; held by {}", handle().name, timeout.count(),
                         owner().text()));
  }
  return {state_, acquired.owner_died()};
}

bool Lock::locked() const {
  const Holder holder = state_->word.holder();
  return holder != 0 && (holder == this_process() || !process_ended(holder));
}

LockOwner Lock::owner() const {
  LockOwner owner;
  const Holder holder = state_->word.holder();
  if (holder == 0) return owner;
  owner.pid = static_cast<int>(number_of(holder));
  owner.tid = static_cast<int>(state_->tid.load(std::memory_order_relaxed));
  if (holder != this_process()) {
    owner.kind = LockOwner::kOtherProcess;
    owner.ended = process_ended(holder);
  } else {
    const bool mine = owner.tid == static_cast<int>(number_of(this_thread()));
    owner.kind = mine ? LockOwner::kThisThread : LockOwner::kOtherThread;
  }
  return owner;
}

Lock::Guard::Guard(Guard&& other) noexcept
    : owner_died(other.owner_died),
      state_(std::exchange(other.state_, nullptr)),
      tid_(other.tid_) {}
Lock::Guard::~Guard() {
  if (state_ == nullptr || state_->word.holder() != this_process()) return;
  if (state_->tid.load(std::memory_order_relaxed) == tid_) state_->release();
}

}  // namespace towpath
