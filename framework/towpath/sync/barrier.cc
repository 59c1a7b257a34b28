#include "towpath/sync/barrier.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "towpath/base/format.h"
#include "towpath/base/process_hooks.h"
#include "towpath/sync/futex.h"
#include "towpath/sync/owned_word.h"

namespace towpath {
namespace {

constexpr int kMostParties = 10'000;
constexpr int kMorePlaces = 256;       // for threads that have been let go, and have not gone yet
constexpr int kMoreMembers = 256;      // for processes that have it and are no party
constexpr int64_t kBetweenLooks = 50;  // ms, whoever of the waiters looks
constexpr Millis kActionSlice{50};

enum Status : uint64_t { kFilling, kActing, kBroken };
enum Outcome : uint32_t { kNone, kWaiting, kReleased, kRefused };
enum class Why : uint32_t { kAbort, kTimeout, kDeath, kAction, kReset };

constexpr uint64_t phase_of(uint64_t generation, Status status) { return generation << 2 | status; }
constexpr uint64_t generation_of(uint64_t phase) { return phase >> 2; }
constexpr Status status_of(uint64_t phase) { return static_cast<Status>(phase & 3); }

struct Reason {
  Why why = Why::kAbort;
  uint32_t pid = 0;
};

// Of one who waits. `outcome` is stored last, and waiters sleep on it.
struct Place {
  std::atomic<uint64_t> who;  // a process; 0: free
  std::atomic<uint64_t> generation;
  std::atomic<Reason> reason;  // when refused
  std::atomic<uint32_t> outcome;

  void leave() {
    outcome = kNone;
    who = 0;
  }
};

}  // namespace

// What is decided is decided by one store, of the phase: a round is complete when a later
// generation has begun, and broken when the status says so. settle() tells those who wait, and is
// all the repair that a death calls for.
struct Barrier::State {
  OwnedWord lock;
  std::atomic<uint64_t> phase;
  std::atomic<Reason> reason;
  std::atomic<int64_t> looked;  // ms of the clock: when a waiter last looked who lives
  int32_t parties;
  int32_t place_count;
  int32_t member_count;
  int64_t timeout;
  uint64_t action_size;
  std::array<char, 512> action;  // its name; see ProcessHooks

  // Behind it: the places, then the members.
  std::span<Place> places() {
    return {reinterpret_cast<Place*>(this + 1), static_cast<size_t>(place_count)};
  }
  Membership::Table members() {
    return {reinterpret_cast<std::atomic<uint64_t>*>(places().data() + place_count),
            static_cast<size_t>(member_count)};
  }
  static uint64_t bytes(int64_t places, int64_t members) {
    return sizeof(State) + static_cast<uint64_t>(places) * sizeof(Place) +
           static_cast<uint64_t>(members) * sizeof(std::atomic<uint64_t>);
  }

  void settle() {
    const uint64_t now = phase;
    for (Place& place : places()) {
      if (place.outcome != kWaiting) continue;
      if (place.generation < generation_of(now)) {
        place.outcome = kReleased;
      } else if (status_of(now) == kBroken) {
        place.reason = reason.load();
        place.outcome = kRefused;
      } else {
        continue;
      }
      futex_wake(place.outcome, 1);
    }
  }
  void change(uint64_t to) {
    phase = to;
    settle();
    futex_wake(low_half(phase), kMostParties);
  }
  void break_by(Reason why) {
    reason = why;
    change(phase_of(generation_of(phase), kBroken));
  }
  int waiting() {
    const uint64_t now = generation_of(phase);
    return static_cast<int>(std::ranges::count_if(places(), [now](const Place& place) {
      return place.outcome == kWaiting && place.generation == now;
    }));
  }

  [[noreturn]] void throw_broken(Reason why, const std::string& name) const;
  Place* claim(const std::string& name);
  void run_action(uint64_t acting);
  bool counts(Holder process);
  bool break_by_death();
};

namespace {

// The barrier's fields, alone.
template <class State>
class Locked {
 public:
  explicit Locked(State& state) : lock_(state.lock, [&state] { state.settle(); }) {}

 private:
  ShortLock lock_;
};

int64_t now_in_ms() {
  return std::chrono::duration_cast<Millis>(Clock::now().time_since_epoch()).count();
}

}  // namespace

void Barrier::State::throw_broken(Reason why, const std::string& name) const {
  const char* text = "abort() was called";
  std::string death;
  switch (why.why) {
    case Why::kAbort:
      break;
    case Why::kTimeout:
      text = "a party waited longer than its time-out";
      break;
    case Why::kDeath:
      death = format("process {}, which has it, was killed", why.pid);
      text = death.c_str();
      break;
    case Why::kAction:
      text = "its action threw";
      break;
    case Why::kReset:
      throw BrokenBarrier(format("{} was reset while this party waited", name));
  }
  throw BrokenBarrier(format("{} is broken: {}; reset() makes it usable again", name, text));
}

// With the lock held. Of the places that nobody leaves any more, the first dead one's.
Place* Barrier::State::claim(const std::string& name) {
  for (const bool sweep : {false, true}) {
    for (Place& place : places()) {
      const Holder who = place.who;
      if (who != 0 && !(sweep && place.outcome != kWaiting && process_ended(who))) continue;
      place.outcome = kNone;
      place.who = this_process();
      return &place;
    }
  }
  throw Unsupported(
      format("{}: {} threads wait at once, at a barrier for {}", name, place_count, parties));
}

void Barrier::State::run_action(uint64_t acting) {
  try {
    process_hooks("a barrier's action").find_function({action.data(), action_size})();
  } catch (...) {
    const Locked locked(*this);
    if (phase == acting) break_by({Why::kAction, 0});
    throw;
  }
  const Locked locked(*this);
  if (phase == acting) change(phase_of(generation_of(acting) + 1, kFilling));
}

// With the lock held: whether it has the barrier, or waits in this round. One that has ended and
// does not has left before, which is no death.
bool Barrier::State::counts(Holder process) {
  const auto is_it = [process](const auto& member) { return member == process; };
  return std::ranges::any_of(members(), is_it) ||
         std::ranges::any_of(places(), [process](const Place& place) {
           return place.outcome == kWaiting && place.who == process;
         });
}

// True: it is broken.
bool Barrier::State::break_by_death() {
  int64_t last = looked;
  const int64_t now = now_in_ms();
  if (now - last < kBetweenLooks || !looked.compare_exchange_strong(last, now)) return false;
  const auto all = members();
  std::set<Holder> who(all.begin(), all.end());
  for (const Place& place : places()) {
    if (place.outcome == kWaiting) who.insert(place.who);
  }
  who.erase(0);
  who.erase(this_process());
  std::erase_if(who, [](Holder process) { return !process_ended(process); });
  if (who.empty()) return false;
  const Locked locked(*this);
  const auto dead = std::ranges::find_if(who, [this](Holder it) { return counts(it); });
  if (dead == who.end()) return false;
  if (status_of(phase) != kBroken) break_by({Why::kDeath, number_of(*dead)});
  return true;
}

Barrier::Barrier(int parties, Action action, Millis timeout) {
  if (parties < 1 || parties > kMostParties)
    throw Invalid(format("Barrier: {} parties; 1 to {} can meet", parties, kMostParties));
  const int places = 2 * parties + kMorePlaces;
  const int members = parties + kMoreMembers;
  file_ = SessionFile::create(kKind, State::bytes(places, members));
  state_ = reinterpret_cast<State*>(file_.bytes().data());
  state_->parties = parties;
  state_->place_count = places;
  state_->member_count = members;
  state_->timeout = timeout.count();
  if (action != nullptr) {
    const std::string name = process_hooks("a barrier's action").name_function(action);
    if (name.size() > state_->action.size()) {
      throw Unsupported(format("Barrier: the action's module has a name of {} bytes; {} fit",
                               name.size(), state_->action.size()));
    }
    name.copy(state_->action.data(), name.size());
    state_->action_size = name.size();
  }
  membership_ = std::make_shared<Membership>(file_, state_->members());
}

Barrier::Barrier(SessionFile file) : file_(std::move(file)) {
  if (file_.bytes().size() < sizeof(State)) file_.check_size(sizeof(State));
  state_ = reinterpret_cast<State*>(file_.bytes().data());
  file_.check_size(State::bytes(state_->place_count, state_->member_count));
  membership_ = std::make_shared<Membership>(file_, state_->members());
}

Barrier Barrier::open(const Handle& handle) {
  Barrier barrier(SessionFile::open(kKind, handle));
  barrier.membership_->enter();
  return barrier;
}

int Barrier::wait() { return wait(Millis{state_->timeout}); }

int Barrier::wait(Millis timeout) {
  State& s = *state_;
  const std::string& name = handle().name;
  membership_->enter();
  Place* mine = nullptr;
  int index = 0;
  uint64_t phase = 0;
  while (mine == nullptr) {
    {
      const Locked locked(s);
      phase = s.phase;
      if (status_of(phase) == kBroken) s.throw_broken(s.reason, name);
      if (status_of(phase) == kFilling) {
        index = s.waiting();
        mine = s.claim(name);
        mine->generation = generation_of(phase);
        mine->outcome = kWaiting;
        if (index + 1 == s.parties) {
          const bool acts = s.action_size != 0;
          phase = acts ? phase_of(generation_of(phase), kActing)
                       : phase_of(generation_of(phase) + 1, kFilling);
          s.change(phase);
        }
      }
    }
    // A thread more than there are parties, while they act: it is one of the next round.
    if (mine == nullptr &&
        !futex_wait(low_half(s.phase), static_cast<uint32_t>(phase), kActionSlice)) {
      s.break_by_death();
    }
  }
  if (status_of(phase) == kActing) {
    try {
      s.run_action(phase);
    } catch (...) {
      mine->leave();
      throw;
    }
  }
  Slices slices(timeout);
  bool look = false;
  while (mine->outcome == kWaiting) {
    const bool late = slices.passed();
    if ((look || late) && s.break_by_death()) continue;
    if (late) {
      // While the action runs all have come, and nobody is late.
      const Locked locked(s);
      if (mine->outcome == kWaiting && status_of(s.phase) == kFilling)
        s.break_by({Why::kTimeout, 0});
    }
    look = !futex_wait(mine->outcome, kWaiting, late ? kActionSlice : slices.next());
  }
  const bool released = mine->outcome == kReleased;
  const Reason reason = mine->reason;
  mine->leave();
  if (!released) s.throw_broken(reason, name);
  return index;
}

void Barrier::abort() {
  const Locked locked(*state_);
  if (status_of(state_->phase) != kBroken) state_->break_by({Why::kAbort, 0});
}

void Barrier::reset() {
  State& s = *state_;
  const Locked locked(s);
  if (s.waiting() > 0) s.break_by({Why::kReset, 0});
  for (std::atomic<uint64_t>& member : s.members()) {
    Holder who = member;
    if (who != 0 && process_ended(who)) member.compare_exchange_strong(who, 0);
  }
  s.change(phase_of(generation_of(s.phase) + 1, kFilling));
}

int Barrier::parties() const { return state_->parties; }

int Barrier::n_waiting() const {
  return status_of(state_->phase) == kFilling ? state_->waiting() : 0;
}

bool Barrier::broken() const { return status_of(state_->phase) == kBroken; }

}  // namespace towpath
