#pragma once
#include <atomic>
#include <bit>
#include <cstdint>

#include "towpath/base/clock.h"

namespace towpath {

// futex(2) on words that processes share.
//
// Every wait is a slice of the whole: a wake-up can be lost when its sender or receiver is killed,
// and a holder can die without one. So waiters look again when a slice has passed.

// Sleeps while the word holds `expected`, at most as long as `most`. True: woken, or the word has
// another value; look again. False: the time passed.
bool futex_wait(const std::atomic<uint32_t>& word, uint32_t expected, Millis most);
// How many were woken.
int futex_wake(const std::atomic<uint32_t>& word, int most);

// The low half of a 64-bit word, as a futex.
static_assert(std::endian::native == std::endian::little);
inline const std::atomic<uint32_t>& low_half(const std::atomic<uint64_t>& word) {
  return reinterpret_cast<const std::atomic<uint32_t>&>(word);
}

// The slices of one wait, growing from 10 ms to 100 ms.
class Slices {
 public:
  explicit Slices(Millis timeout) : deadline_(timeout) {}
  bool passed() const { return deadline_.passed(); }
  Millis next() {
    const Millis slice = slice_;
    slice_ = slice_ * 2 > Millis{100} ? Millis{100} : slice_ * 2;
    const Millis left = deadline_.left();
    return left < slice ? left : slice;
  }

 private:
  Deadline deadline_;
  Millis slice_{10};
};

}  // namespace towpath
