#pragma once
#include <atomic>
#include <cstdint>

#include "towpath/base/clock.h"
#include "towpath/sync/acquired.h"
#include "towpath/sync/holder.h"

namespace towpath {

// A lock in one word of shared memory: 0, or its holder, with a bit for "somebody may wait". What
// is known of it changes in one store, so no death leaves it in between. Zero bytes are a free one.
//
// Deaths     waiters look whether the holder lives, about ten times a second and before they give
//            up; one of them takes the word over from a dead one.
class OwnedWord {
 public:
  using Ended = bool (*)(Holder);

  Acquired acquire(Holder me, Millis timeout, Ended ended) {
    uint64_t seen = 0;
    if (word_.compare_exchange_strong(seen, me, std::memory_order_acquire,
                                      std::memory_order_relaxed))
      return Acquired::kYes;
    return acquire_slowly(me, timeout, ended);
  }
  // Whoever holds it. False: nobody did. With fence_behind_lock() a full fence.
  bool release() {
    const uint64_t old = word_.exchange(0, std::memory_order_release);
    if ((old & kWaited) != 0) wake();
    return old != 0;
  }
  Holder holder() const { return word_.load(std::memory_order_relaxed) & ~kWaited; }

 private:
  static constexpr uint64_t kWaited = uint64_t{1} << 31;
  Acquired acquire_slowly(Holder me, Millis timeout, Ended ended);
  void wake();

  std::atomic<uint64_t> word_;
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
};

// What was stored before a locked instruction, as release() is one, is seen before anything that is
// loaded behind this. Free where every locked instruction is a full fence.
inline void fence_behind_lock() {
#if defined(__x86_64__) || defined(__i386__)
  std::atomic_signal_fence(std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

// Guards the fields of one object in shared memory for a few instructions. Every field is such that
// `repair` makes sense of what a killed holder left.
class ShortLock {
 public:
  template <class Repair>
  ShortLock(OwnedWord& word, Repair repair) : word_(word) {
    if (word_.acquire(this_process(), kForever, &process_ended).owner_died()) repair();
  }
  ShortLock(const ShortLock&) = delete;
  ~ShortLock() { word_.release(); }

 private:
  OwnedWord& word_;
};

}  // namespace towpath
