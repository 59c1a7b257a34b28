#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace towpath {

// Time-outs are milliseconds. kForever waits, 0 and less never.
using Millis = std::chrono::milliseconds;
inline constexpr Millis kForever = Millis::max();

using Clock = std::chrono::steady_clock;

// A point in time by which something must have happened. Of kForever, or of more years than a clock
// counts: never.
class Deadline {
 public:
  explicit Deadline(Millis timeout)
      : forever_(timeout > std::chrono::years{100}),
        at_(forever_ ? Clock::time_point::max() : Clock::now() + std::max(timeout, Millis{0})) {}
  bool passed() const { return !forever_ && Clock::now() >= at_; }
  // What is left, rounded up, never negative; kForever stays kForever.
  Millis left() const {
    if (forever_) return kForever;
    const auto now = Clock::now();
    return now >= at_ ? Millis{0} : std::chrono::ceil<Millis>(at_ - now);
  }
  // What is left as poll(2) wants it: -1 for ever.
  int poll_timeout() const {
    const Millis rest = left();
    if (rest == kForever) return -1;
    return rest.count() > 1'000'000'000 ? 1'000'000'000 : static_cast<int>(rest.count());
  }
  // Waits under the lock for a notification, until then at most. False: it had passed before.
  template <class Condition, class Lock>
  bool wait(Condition& changed, Lock& lock) const {
    if (forever_) {
      changed.wait(lock);
    } else if (passed()) {
      return false;
    } else {
      changed.wait_until(lock, at_);
    }
    return true;
  }
  // Waits under the lock until it is so. False: not in time.
  template <class Condition, class Lock, class Predicate>
  bool wait(Condition& changed, Lock& lock, Predicate is_so) const {
    while (!is_so()) {
      if (!wait(changed, lock)) return false;
    }
    return true;
  }

 private:
  bool forever_;
  Clock::time_point at_;
};

}  // namespace towpath
