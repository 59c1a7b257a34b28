#include "towpath/coordinator/states.h"

namespace towpath {
namespace {

constexpr uint8_t kIgn = kIgnoreEvent;
constexpr uint8_t kBug = kBugEvent;

template <class State>
constexpr uint8_t to(State state) {
  return static_cast<uint8_t>(static_cast<uint8_t>(state) + 1);
}

}  // namespace

template <class State, class Event, size_t States, size_t Events>
std::string Lifecycle<State, Event, States, Events>::show() const {
  std::string text = format("{:<14}", name);
  for (const std::string_view event : events) text += format("{:<14}", event);
  text += '\n';
  for (size_t state = 0; state < States; ++state) {
    text += format("{:<14}", states[state]);
    for (const uint8_t answer : next[state]) {
      text += format("{:<14}", answer == kIgnoreEvent ? "ignore"
                               : answer == kBugEvent  ? "bug"
                                                      : states[answer - 1u]);
    }
    text += '\n';
  }
  return text;
}

namespace {
using W = WorkerState;
using L = LeaseState;
using E = EdgeState;
using P = EpochState;
using R = RunState;
}  // namespace

// clang-format off
const WorkerLifecycle kWorkerLifecycle = {
    "worker",
    {"starting", "idle", "busy", "waiting", "leaving", "gone", "left"},
    {"ready", "lease", "commit last", "want", "room", "pill", "exit", "restart"},
    {{// ready        lease       commit last  want           room        pill            exit          restart
      {to(W::kIdle), kBug,        kBug,        kBug,          kBug,       to(W::kLeaving), to(W::kGone), kBug},
      {kIgn,         to(W::kBusy), kIgn,       kBug,          kIgn,       to(W::kLeaving), to(W::kGone), kBug},
      {kBug,         to(W::kBusy), to(W::kIdle), to(W::kWaiting), kIgn,   to(W::kLeaving), to(W::kGone), kBug},
      {kBug,         kBug,        kBug,        kBug,          to(W::kBusy), to(W::kLeaving), to(W::kGone), kBug},
      {kIgn,         kBug,        kIgn,        kIgn,          kIgn,       kIgn,           to(W::kLeft), kBug},
      {kIgn,         kBug,        kIgn,        kIgn,          kBug,       to(W::kLeft),   kIgn,         to(W::kStarting)},
      {kIgn,         kBug,        kIgn,        kIgn,          kBug,       kIgn,           kIgn,         kBug}}}};

const LeaseLifecycle kLeaseLifecycle = {
    "lease",
    {"running", "waiting", "returned", "held", "closed"},
    {"grant", "part", "want", "room", "commit", "turn", "death"},
    {{// grant            part   want            room            commit       turn            death
      {kBug,              kIgn,  to(L::kWaiting), kBug,          to(L::kHeld), kBug,          to(L::kReturned)},
      {kBug,              kBug,  kBug,           to(L::kRunning), kBug,       kBug,           to(L::kReturned)},
      {to(L::kRunning),   kBug,  kBug,           kBug,           kBug,        kBug,           kBug},
      {kBug,              kBug,  kBug,           kBug,           kBug,        to(L::kClosed), kIgn},
      {kBug,              kBug,  kBug,           kBug,           kBug,        kBug,           kIgn}}}};

const EdgeLifecycle kEdgeLifecycle = {
    "edge",
    {"open", "ended", "drained"},
    {"release", "end", "take", "drain"},
    {{// release end              take   drain
      {kIgn,     to(E::kEnded),   kIgn,  kBug},
      {kBug,     kBug,            kIgn,  to(E::kDrained)},
      {kBug,     kBug,            kBug,  kIgn}}}};

const EpochLifecycle kEpochLifecycle = {
    "epoch",
    {"none", "draining", "saving", "recording", "committing"},
    {"cut", "drained", "revoked", "saved", "recorded", "visible", "lost", "again"},
    {{// cut              drained        revoked      saved             recorded            visible      lost         again
      {to(P::kDraining), kBug,           kBug,        kBug,             kBug,               kBug,        kIgn,        to(P::kCommitting)},
      {kBug,             to(P::kSaving), to(P::kNone), kBug,            kBug,               kBug,        to(P::kNone), kBug},
      {kBug,             kBug,           kBug,        to(P::kRecording), kBug,              kBug,        to(P::kNone), kBug},
      {kBug,             kBug,           kBug,        kBug,             to(P::kCommitting), kBug,        to(P::kNone), kBug},
      {kBug,             kBug,           kBug,        kBug,             kBug,               to(P::kNone), to(P::kNone), kBug}}}};

const RunLifecycle kRunLifecycle = {
    "run",
    {"running", "rewinding", "preparing", "committing", "ending", "done", "failing", "failed", "interrupting",
     "interrupted"},
    {"stages ended", "prepared", "committed", "all left", "rewind", "fault", "signal"},
    {{// stages ended      prepared            committed        all left             rewind             fault            signal
      {to(R::kPreparing), kBug,               kBug,            kBug,                to(R::kRewinding), to(R::kFailing), to(R::kInterrupting)},
      {kBug,              kBug,               kBug,            to(R::kRunning),     kIgn,              to(R::kFailing), to(R::kInterrupting)},
      {kBug,              to(R::kCommitting), kBug,            kBug,                to(R::kRewinding), to(R::kFailing), to(R::kInterrupting)},
      {kBug,              kBug,               to(R::kEnding),  kBug,                to(R::kRewinding), to(R::kFailing), to(R::kInterrupting)},
      {kBug,              kBug,               kBug,            to(R::kDone),        kBug,              to(R::kFailing), kIgn},
      {kBug,              kBug,               kBug,            kIgn,                kIgn,              kIgn,            kIgn},
      {kIgn,              kIgn,               kIgn,            to(R::kFailed),      kIgn,              kIgn,            kIgn},
      {kBug,              kBug,               kBug,            kIgn,                kIgn,              kIgn,            kIgn},
      {kIgn,              kIgn,               kIgn,            to(R::kInterrupted), kIgn,              kIgn,            kIgn},
      {kBug,              kBug,               kBug,            kIgn,                kIgn,              kIgn,            kIgn}}}};
// clang-format on

std::string show_lifecycles() {
  return kWorkerLifecycle.show() + '\n' + kLeaseLifecycle.show() + '\n' + kEdgeLifecycle.show() +
         '\n' + kEpochLifecycle.show() + '\n' + kRunLifecycle.show();
}

}  // namespace towpath
