#pragma once
#include <atomic>
#include <cstdint>

#include "towpath/sync/futex.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// Where processes sleep until something changes, in shared memory. All zero is one that nobody
// sleeps on.
//
//   sleeper  announce(), look again, sleep(); behind it, found what it waited for or not: pass_on()
//   waker    change what sleepers look at, then wake(): no system call unless somebody sleeps
//
// One is woken at a time, and wakes the next. A wake-up can be lost with a sleeper that is killed:
// so a sleep is a slice of the whole wait (see futex.h), and whoever wakes by itself looks, too.
// Order      the change is made under a lock, and wake() comes behind its release: a full fence, as
//            announce() is.
class WakeWord {
 public:
  uint32_t announce() { return word_.fetch_or(kSleeping) | kSleeping; }
  // `seen` is what announce() returned.
  void sleep(uint32_t seen, Millis most) const { futex_wait(word_, seen, most); }
  // By who has slept, at the end of its wait: others may sleep still. `more()`: there is something
  // left for them. It is asked when all know again that they may sleep: what comes later wakes
  // them.
  template <class More>
  void pass_on(More more) {
    word_.fetch_or(kSleeping);
    if (more()) wake();
  }
  bool may_sleep() const {
    fence_behind_lock();
    return (word_.load() & kSleeping) != 0;
  }
  void wake() {
    if (may_sleep()) wake_sleepers(1);
  }
  void wake_all();

 private:
  static constexpr uint32_t kSleeping = 1;
  void wake_sleepers(int most);

  std::atomic<uint32_t> word_;  // the lowest bit: somebody may sleep; above it, wake-ups counted
};

}  // namespace towpath
