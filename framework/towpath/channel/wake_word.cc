#include "towpath/channel/wake_word.h"

#include <climits>

namespace towpath {

void WakeWord::wake_all() {
  if (may_sleep()) wake_sleepers(INT_MAX);
}

void WakeWord::wake_sleepers(int most) {
  uint32_t seen = word_.load();
  do {
    if ((seen & kSleeping) == 0) return;  // another is waking
  } while (!word_.compare_exchange_weak(seen, (seen + 2) & ~kSleeping));
  futex_wake(word_, most);
}

}  // namespace towpath
