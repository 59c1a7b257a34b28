#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "towpath/base/clock.h"
#include "towpath/base/cpu_count.h"
#include "towpath/base/pause_briefly.h"

namespace towpath {

// Looks for what another process is about to write, before its caller sleeps: for about as long as
// to sleep and be woken takes, so that a wait costs at most twice what it must, and two that answer
// each other at once don't sleep at all.
//
// Coalescing each look takes the written line of memory away from its writer: a reader that looks
//            for every single record makes both several times slower. So it looks later, by 3 µs at
//            most, as long as that brings more records at a time.
// Futility   looking that found nothing is left out the next time, then the next two, four, at most
//            64 times: the other is slow, or waits for this very core. Where there is only one core
//            it never looks.
// Threads    any.
class BriefLook {
 public:
  // True: ready() was, within that time. `taken`: records that were, so far.
  template <class Ready>
  bool find(uint64_t taken, Ready ready) {
    if (!may_pay()) return false;
    if (const int left = to_leave_out_.load(std::memory_order_relaxed); left > 0) {
      to_leave_out_.store(left - 1, std::memory_order_relaxed);
      return false;
    }
    // What the last look brought.
    const uint64_t batch = taken - taken_.load(std::memory_order_relaxed);
    taken_.store(taken, std::memory_order_relaxed);
    int first = first_pauses_.load(std::memory_order_relaxed);
    if (batch * kWorth < static_cast<uint64_t>(first)) first = std::max(first / 2, kPauses);
    pause(first);
    const bool at_once = ready();
    if (at_once && batch < kMany) first = std::min(first * 2, kMostPauses);
    if (!at_once) first = std::max(first / 2, kPauses);
    first_pauses_.store(first, std::memory_order_relaxed);
    if (at_once) {
      futile_.store(0, std::memory_order_relaxed);
      return true;
    }
    const auto until = Clock::now() + kMost;
    do {
      for (int look = 0; look < kLooksAtOnce; ++look) {
        pause(kPauses);
        if (!ready()) continue;
        futile_.store(0, std::memory_order_relaxed);
        return true;
      }
    } while (Clock::now() < until);
    const int futile = futile_.load(std::memory_order_relaxed);
    to_leave_out_.store(1 << futile, std::memory_order_relaxed);
    futile_.store(std::min(futile + 1, kMostFutile), std::memory_order_relaxed);
    return false;
  }

 private:
  static constexpr auto kMost = std::chrono::microseconds(50);
  static constexpr int kPauses = 4;  // some 100 ns
  static constexpr int kMostPauses = 128;
  static constexpr uint64_t kWorth = 8;  // pauses that a record may cost
  static constexpr uint64_t kMany = 16;  // records at a time that need no more
  static constexpr int kLooksAtOnce = 16;
  static constexpr int kMostFutile = 6;

  static void pause(int times) {
    for (int i = 0; i < times; ++i) pause_briefly();
  }
  static bool may_pay() {
    static const bool it = cpu_count() > 1;
    return it;
  }

  std::atomic<uint64_t> taken_{0};
  std::atomic<int> first_pauses_{kPauses};
  std::atomic<int> to_leave_out_{0};
  std::atomic<int> futile_{0};  // in a row
};

}  // namespace towpath
