#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

// The lifecycles of a run, as tables of state × event: each pair is answered. `ignore` stays in the
// state (the event is stale or harmless there), `bug` can only come from a mistake of ours.
// `towpath debug tables` prints them.

namespace towpath {

inline constexpr uint8_t kIgnoreEvent = 254, kBugEvent = 255;

template <class State, class Event, size_t States, size_t Events>
struct Lifecycle {
  std::string_view name;
  std::array<std::string_view, States> states;
  std::array<std::string_view, Events> events;
  // The number of the next state plus one, kIgnoreEvent or kBugEvent; 0: forgotten in the table.
  std::array<std::array<uint8_t, Events>, States> next;

  // The state after the event. Throws Bug where the table says so.
  constexpr State after(State state, Event event,
                        std::source_location where = std::source_location::current()) const {
    const uint8_t to = next[static_cast<size_t>(state)][static_cast<size_t>(event)];
    if (to == kIgnoreEvent) return state;
    if (to == kBugEvent || to == 0) {
      throw Bug(format("{}: event \"{}\" in state \"{}\"", name, events[static_cast<size_t>(event)],
                       states[static_cast<size_t>(state)]),
                where);
    }
    return static_cast<State>(to - 1);
  }
  std::string show() const;
};

// ── worker ──
//
//   starting ──ready──▶ idle ⇄ busy ⇄ waiting (for room)
//      └──────── any death ───▶ gone ──restart──▶ starting
//   pill: idle, busy, waiting ──▶ leaving ──▶ left
enum class WorkerState : uint8_t { kStarting, kIdle, kBusy, kWaiting, kLeaving, kGone, kLeft };
enum class WorkerEvent : uint8_t {
  kReady,
  kLease,
  kCommitLast,
  kWant,
  kRoom,
  kPill,
  kExit,
  kRestart
};
using WorkerLifecycle = Lifecycle<WorkerState, WorkerEvent, 7, 8>;
extern const WorkerLifecycle kWorkerLifecycle;

// ── lease ──
//
//   open ──grant──▶ running ──commit──▶ held ──turn──▶ closed
//                     │  ▲ └─want─▶ waiting ─room─▶ running
//                     └death─▶ returned ─grant─▶ running
enum class LeaseState : uint8_t { kRunning, kWaiting, kReturned, kHeld, kClosed };
enum class LeaseEvent : uint8_t { kGrant, kPart, kWant, kRoom, kCommit, kTurn, kDeath };
using LeaseLifecycle = Lifecycle<LeaseState, LeaseEvent, 5, 7>;
extern const LeaseLifecycle kLeaseLifecycle;

// ── edge ──: open (its writer may add) → ended (it will not) → drained (all was taken and
// committed)
enum class EdgeState : uint8_t { kOpen, kEnded, kDrained };
enum class EdgeEvent : uint8_t { kRelease, kEnd, kTake, kDrain };
using EdgeLifecycle = Lifecycle<EdgeState, EdgeEvent, 3, 4>;
extern const EdgeLifecycle kEdgeLifecycle;

// ── epoch ──
//
//   none ──cut──▶ draining ──drained──▶ saving ──saved──▶ recording ──recorded──▶ committing
//    ▲ ◀──revoked────┘                                                                            ▲
//    │ │  └──────────────────────────────── again ──────────────────────────────────┘  │
//    └────────────── lost (a worker with state or a sink has died) ◀─ visible ───────┘
enum class EpochState : uint8_t { kNone, kDraining, kSaving, kRecording, kCommitting };
enum class EpochEvent : uint8_t {
  kCut,
  kDrained,
  kRevoked,
  kSaved,
  kRecorded,
  kVisible,
  kLost,
  kAgain
};
using EpochLifecycle = Lifecycle<EpochState, EpochEvent, 5, 8>;
extern const EpochLifecycle kEpochLifecycle;

// ── run ──
//
//   running ──stages ended──▶ preparing ──prepared──▶ committing ──visible──▶ ending ──left──▶ done
//      │ rewind ──▶ rewinding ──all gone──▶ running, from the last epoch on
//      │ fault ──▶ failing ──all gone──▶ failed
//      └ signal ──▶ interrupting ──all gone──▶ interrupted
enum class RunState : uint8_t {
  kRunning,
  kRewinding,
  kPreparing,
  kCommitting,
  kEnding,
  kDone,
  kFailing,
  kFailed,
  kInterrupting,
  kInterrupted
};
enum class RunEvent : uint8_t {
  kStagesEnded,
  kPrepared,
  kCommitted,
  kAllLeft,
  kRewind,
  kFault,
  kSignal
};
using RunLifecycle = Lifecycle<RunState, RunEvent, 10, 7>;
extern const RunLifecycle kRunLifecycle;

// All five tables as text.
std::string show_lifecycles();

}  // namespace towpath
