#include "towpath/sync/event.h"

#include <climits>

#include "towpath/sync/futex.h"

namespace towpath {

Event::Event() : Event(SessionFile::create(kKind, sizeof(State))) {}

void Event::set() {
  uint32_t seen = state_->changes;
  while (seen % 2 == 0) {
    if (state_->changes.compare_exchange_weak(seen, seen + 1)) {
      futex_wake(state_->changes, INT_MAX);
      return;
    }
  }
}

void Event::clear() {
  uint32_t seen = state_->changes;
  while (seen % 2 == 1 && !state_->changes.compare_exchange_weak(seen, seen + 1)) {
  }
}

bool Event::is_set() const { return state_->changes % 2 == 1; }

bool Event::wait(Millis timeout) const {
  const uint32_t first = state_->changes;
  if (first % 2 == 1) return true;
  Slices slices(timeout);
  while (state_->changes == first) {
    if (slices.passed()) return false;
    futex_wait(state_->changes, first, slices.next());
  }
  return true;
}

}  // namespace towpath
