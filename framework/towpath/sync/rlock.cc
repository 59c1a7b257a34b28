#include "towpath/sync/rlock.h"

#include <limits>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

RLock::RLock() : RLock(SessionFile::create(kKind, sizeof(State))) {}
RLock::RLock(SessionFile file) : file_(std::move(file)) {
  static_assert(sizeof(State) <= kMemoryAt);
  if (file_.bytes().size() <= kMemoryAt) file_.check_size(sizeof(State));
  state_ = reinterpret_cast<State*>(file_.bytes().data());
}

RLock RLock::with_memory(uint64_t bytes) {
  if (bytes > std::numeric_limits<uint64_t>::max() - kMemoryAt)
    throw Invalid(format("{} bytes beside an RLock", bytes));
  return RLock(SessionFile::create(kKind, kMemoryAt + bytes));
}

std::span<std::byte> RLock::memory() const {
  const std::span<std::byte> all = file_.bytes();
  return all.size() > kMemoryAt ? all.subspan(kMemoryAt) : std::span<std::byte>();
}

Acquired RLock::acquire(Millis timeout) {
  const Holder me = this_thread();
  const uint32_t pid = number_of(this_process());
  if (state_->word.holder() == me) {
    const uint32_t depth = state_->depth.load(std::memory_order_relaxed);
    if (depth == std::numeric_limits<uint32_t>::max())
      throw Invalid(format("{}: acquired 2^32 times over", handle().name));
    state_->depth.store(depth + 1, std::memory_order_relaxed);
    return Acquired::kYes;
  }
  const Acquired acquired = state_->word.acquire(me, timeout, &thread_ended);
  if (acquired) {
    state_->depth.store(1, std::memory_order_relaxed);
    state_->pid.store(pid, std::memory_order_relaxed);
  }
  return acquired;
}

bool RLock::release_own(State& state) {
  if (state.word.holder() != this_thread()) return false;
  const uint32_t depth = state.depth.load(std::memory_order_relaxed);
  state.depth.store(depth - 1, std::memory_order_relaxed);
  if (depth == 1) state.word.release();
  return true;
}

void RLock::release() {
  if (!release_own(*state_)) {
    throw Invalid(format("{}: release() by a thread that doesn't hold it; held by {}",
                         handle().name, owner().text()));
  }
}

RLock::Guard RLock::guard(Millis timeout) {
  const Acquired acquired = acquire(timeout);
  if (!acquired) {
    throw Timeout(format("{}: not acquired in {} ms; held by {}", handle().name, timeout.count(),
                         owner().text()));
  }
  return {state_, acquired.owner_died()};
}

bool RLock::locked() const {
  const Holder holder = state_->word.holder();
  return holder != 0 && (holder == this_thread() || !thread_ended(holder));
}

LockOwner RLock::owner() const {
  LockOwner owner;
  const Holder holder = state_->word.holder();
  if (holder == 0) return owner;
  owner.pid = static_cast<int>(state_->pid.load(std::memory_order_relaxed));
  owner.tid = static_cast<int>(number_of(holder));
  if (holder == this_thread()) {
    owner.kind = LockOwner::kThisThread;
  } else {
    const bool same = owner.pid == static_cast<int>(number_of(this_process()));
    owner.kind = same ? LockOwner::kOtherThread : LockOwner::kOtherProcess;
    owner.ended = thread_ended(holder);
  }
  return owner;
}

RLock::Guard::Guard(Guard&& other) noexcept
    : owner_died(other.owner_died), state_(std::exchange(other.state_, nullptr)) {}
RLock::Guard::~Guard() {
  if (state_ != nullptr) release_own(*state_);
}

}  // namespace towpath
