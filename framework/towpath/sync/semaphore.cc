#include "towpath/sync/semaphore.h"

#include <algorithm>
#include <climits>
#include <limits>
#include <set>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/sync/futex.h"

namespace towpath {
namespace {

constexpr int64_t kMostPlaces = 100'000;
constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();

}  // namespace

// The semaphore's fields, alone.
class Semaphore::Locked {
 public:
  explicit Locked(State& state)
      : lock_(state.lock, [&state] {
          state.guarded = std::count_if(state.holders(), state.holders() + state.places,
                                        [](const auto& holder) { return holder != 0; });
        }) {}

 private:
  ShortLock lock_;
};

Semaphore::Semaphore(int64_t value) : Semaphore(value, Bound::kNone) {}

Semaphore::Semaphore(int64_t value, Bound bound) {
  if (value < 0) throw Invalid(format("Semaphore: {} permits; 0 is the least", value));
  const int64_t places = std::clamp(value, kGuards, kMostPlaces);
  file_ = SessionFile::create(
      kKind, sizeof(State) + static_cast<uint64_t>(places) * sizeof(std::atomic<uint64_t>));
  state_ = reinterpret_cast<State*>(file_.bytes().data());
  state_->value = value;
  state_->bound = bound == Bound::kFirstValue ? value : kNoBound;
  state_->places = places;
}

Semaphore::Semaphore(SessionFile file) : file_(std::move(file)) {
  if (file_.bytes().size() < sizeof(State)) file_.check_size(sizeof(State));
  state_ = reinterpret_cast<State*>(file_.bytes().data());
  file_.check_size(sizeof(State) +
                   static_cast<uint64_t>(state_->places) * sizeof(std::atomic<uint64_t>));
}

// With a place for it: the permit is a guard's.
Semaphore::Got Semaphore::take_now(bool waited, int64_t* place, uint32_t& changes) {
  State& s = *state_;
  const Locked locked(s);
  if (s.value - s.guarded > 0) {
    if (place == nullptr) {
      --s.value;
    } else {
      const auto end = s.holders() + s.places;
      const auto free = std::find(s.holders(), end, 0);
      if (free == end) return Got::kNoPlace;
      *free = this_process();
      ++s.guarded;
      *place = free - s.holders();
    }
    // Who has slept can't know whether others still do.
    if (waited) s.waited.store(1, std::memory_order_relaxed);
    if (s.orphaned == 0) return Got::kPermit;
    --s.orphaned;
    return Got::kOrphan;
  }
  s.waited.store(1, std::memory_order_relaxed);
  changes = s.changes;
  return Got::kNone;
}

// A dead process never lives again, so its guards can be told outside the lock.
void Semaphore::take_back_from_dead() {
  State& s = *state_;
  std::set<Holder> dead;
  for (int64_t i = 0; i < s.places; ++i) {
    if (const Holder holder = s.holders()[i]; holder != 0) dead.insert(holder);
  }
  dead.erase(this_process());
  std::erase_if(dead, [](Holder holder) { return !process_ended(holder); });
  if (dead.empty()) return;
  int found = 0;
  {
    const Locked locked(s);
    for (int64_t i = 0; i < s.places; ++i) {
      if (!dead.contains(s.holders()[i])) continue;
      ++s.orphaned;
      s.holders()[i] = 0;
      --s.guarded;
      ++found;
    }
    if (found > 0) ++s.changes;
  }
  // This waiter takes one of them.
  if (found > 1) futex_wake(s.changes, found - 1);
}

Acquired Semaphore::take(Millis timeout, int64_t* place) {
  uint32_t changes = 0;
  Got got = take_now(false, place, changes);
  if (got == Got::kPermit) return Acquired::kYes;
  if (got == Got::kOrphan) return Acquired::kOwnerDied;
  Slices slices(timeout);
  for (bool look = got == Got::kNoPlace;;) {
    const bool late = slices.passed();
    if (look || late) take_back_from_dead();
    got = take_now(true, place, changes);
    if (got == Got::kPermit) return Acquired::kYes;
    if (got == Got::kOrphan) return Acquired::kOwnerDied;
    if (got == Got::kNoPlace) {
      throw Unsupported(format("{}: {} guards at once; use acquire() and release() for more",
                               handle().name, state_->places));
    }
    if (late) return Acquired::kNo;
    look = !futex_wait(state_->changes, changes, slices.next());
  }
}

Acquired Semaphore::acquire(Millis timeout) { return take(timeout, nullptr); }

Semaphore::Guard Semaphore::guard(Millis timeout) {
  int64_t place = 0;
  const Acquired acquired = take(timeout, &place);
  if (!acquired) {
    throw Timeout(format("{}: no permit in {} ms", handle().name, timeout.count()));
  }
  return {state_, place, acquired.owner_died()};
}

void Semaphore::release(int64_t n) {
  if (n < 1) throw Invalid(format("{}: release({}); 1 is the least", handle().name, n));
  State& s = *state_;
  bool wake = false;
  {
    const Locked locked(s);
    if (n > s.bound - s.value) {
      throw Invalid(
          format("{}: release({}) with {} permits there, {} of them taken by guards; it "
                 "may have {}",
                 handle().name, n, s.value.load(), s.guarded.load(), s.bound));
    }
    s.value += n;
    ++s.changes;
    wake = s.waited.exchange(0, std::memory_order_relaxed) != 0;
  }
  if (wake) futex_wake(s.changes, static_cast<int>(std::min<int64_t>(n, INT_MAX)));
}

void Semaphore::give_back(State& s, int64_t place) {
  // In a child of fork it is a copy; the permit is its parent's.
  if (s.holders()[place] != this_process()) return;
  bool wake = false;
  {
    const Locked locked(s);
    s.holders()[place] = 0;
    --s.guarded;
    ++s.changes;
    wake = s.waited.exchange(0, std::memory_order_relaxed) != 0;
  }
  if (wake) futex_wake(s.changes, 1);
}

int64_t Semaphore::get_value() const {
  return std::max<int64_t>(0, state_->value - state_->guarded);
}

Semaphore::Guard::Guard(Guard&& other) noexcept
    : owner_died(other.owner_died),
      state_(std::exchange(other.state_, nullptr)),
      place_(other.place_) {}
Semaphore::Guard::~Guard() {
  if (state_ != nullptr) give_back(*state_, place_);
}

}  // namespace towpath
