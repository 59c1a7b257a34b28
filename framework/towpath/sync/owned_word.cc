#include "towpath/sync/owned_word.h"

#include "towpath/base/pause_briefly.h"
#include "towpath/sync/futex.h"

namespace towpath {
namespace {

constexpr int kSpins = 100;  // about the time that a few instructions under the lock take

}  // namespace

Acquired OwnedWord::acquire_slowly(Holder me, Millis timeout, Ended ended) {
  const auto take = [this](uint64_t from, uint64_t to) {
    return word_.compare_exchange_strong(from, to, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  };
  for (int i = 0; i < kSpins && timeout > Millis{0}; ++i) {
    if (word_.load(std::memory_order_relaxed) == 0 && take(0, me)) return Acquired::kYes;
    pause_briefly();
  }
  Slices slices(timeout);
  uint64_t waited = 0;  // who has slept can't know whether others still do
  bool look = false;
  for (;;) {
    uint64_t seen = word_.load(std::memory_order_relaxed);
    if (seen == 0) {
      if (take(0, me | waited)) return Acquired::kYes;
      continue;
    }
    const bool late = slices.passed();
    if ((look || late) && ended(seen & ~kWaited)) {
      if (take(seen, me | kWaited)) return Acquired::kOwnerDied;
      continue;
    }
    if (late) return Acquired::kNo;
    if ((seen & kWaited) == 0 && !take(seen, seen | kWaited)) continue;
    look = !futex_wait(low_half(word_), static_cast<uint32_t>(seen | kWaited), slices.next());
    waited = kWaited;
  }
}

void OwnedWord::wake() { futex_wake(low_half(word_), 1); }

}  // namespace towpath
