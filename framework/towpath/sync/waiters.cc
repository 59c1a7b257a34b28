#include "towpath/sync/waiters.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace towpath {

int Waiters::enter() {
  const Holder me = this_process();
  for (const bool sweep : {false, true}) {
    for (size_t i = 0; i < kPlaces; ++i) {
      Place& place = places_[i];
      uint64_t who = place.who;
      if (who != 0 && (!sweep || who == me || !process_ended(who))) continue;
      if (!place.who.compare_exchange_strong(who, me)) continue;
      // The notification that a dead one left there goes to another who waited then.
      if (place.state == kNotified) notify_one_before(place.notified_at);
      place.ticket = tickets_++;
      place.state = kWaiting;
      uint32_t used = used_;
      while (used <= i && !used_.compare_exchange_weak(used, static_cast<uint32_t>(i + 1))) {
      }
      return static_cast<int>(i);
    }
  }
  return -1;
}

void Waiters::leave(int place) {
  Place& mine = places_[static_cast<size_t>(place)];
  mine.state = kFree;
  mine.who = 0;
}

void Waiters::withdraw(int place) {
  Place& mine = places_[static_cast<size_t>(place)];
  uint32_t waiting = kWaiting;
  if (!mine.state.compare_exchange_strong(waiting, kFree)) notify_one_before(mine.notified_at);
  leave(place);
}

int Waiters::wait(int place, Millis timeout) {
  Place& mine = places_[static_cast<size_t>(place)];
  Slices slices(timeout);
  bool look = false;
  for (;;) {
    if (mine.state == kNotified) return place;
    const bool late = slices.passed();
    if (look || late) {
      if (const int other = take_over(place); other >= 0) return other;
    }
    if (late) {
      uint32_t waiting = kWaiting;
      if (!mine.state.compare_exchange_strong(waiting, kFree)) return place;
      mine.who = 0;
      return -1;
    }
    look = !futex_wait(mine.state, kWaiting, slices.next());
  }
}

// The place of a dead waiter whose notification this one could have had; -1: there is none.
int Waiters::take_over(int place) {
  const Holder me = this_process();
  Place& mine = places_[static_cast<size_t>(place)];
  for (uint32_t i = 0; i < used_; ++i) {
    Place& other = places_[i];
    uint64_t who = other.who;
    if (who == 0 || who == me || other.state != kNotified || mine.ticket >= other.notified_at ||
        !process_ended(who)) {
      continue;
    }
    if (!other.who.compare_exchange_strong(who, me)) continue;
    uint32_t waiting = kWaiting;
    if (mine.state.compare_exchange_strong(waiting, kFree)) {
      mine.who = 0;
      return static_cast<int>(i);
    }
    // Notified by itself meanwhile: this one is for somebody else who waited then, if any is left.
    notify_one_before(other.notified_at);
    leave(static_cast<int>(i));
    return place;
  }
  return -1;
}

bool Waiters::notify_one_before(uint64_t ticket) {
  for (uint32_t i = 0; i < used_; ++i) {
    Place& place = places_[i];
    uint32_t waiting = kWaiting;
    if (place.state != kWaiting || place.ticket >= ticket) continue;
    place.notified_at = ticket;
    if (!place.state.compare_exchange_strong(waiting, kNotified)) continue;
    futex_wake(place.state, 1);
    return true;
  }
  return false;
}

int Waiters::notify(int most) {
  std::vector<std::pair<uint64_t, uint32_t>> waiting;  // by ticket
  for (uint32_t i = 0; i < used_; ++i) {
    if (places_[i].state == kWaiting) waiting.emplace_back(places_[i].ticket, i);
  }
  std::sort(waiting.begin(), waiting.end());
  const bool all = std::cmp_greater_equal(most, waiting.size());
  const uint64_t now = tickets_;
  int notified = 0;
  for (const auto& [ticket, i] : waiting) {
    if (notified == most) break;
    Place& place = places_[i];
    // The dead are passed over; of those who die later, others take it over.
    const Holder who = place.who;
    if (!all && who != this_process() && process_ended(who)) continue;
    place.notified_at = now;
    uint32_t expected = kWaiting;
    if (!place.state.compare_exchange_strong(expected, kNotified)) continue;
    futex_wake(place.state, 1);
    ++notified;
  }
  return notified;
}

}  // namespace towpath
