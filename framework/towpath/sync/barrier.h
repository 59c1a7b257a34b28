#pragma once
#include <memory>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/memory/session_file.h"
#include "towpath/sync/membership.h"

namespace towpath {

// The barrier can't be passed any more, until reset().
class BrokenBarrier : public Closed {
 public:
  using Closed::Closed;
};

// Threads of all processes of a program wait for each other here: when `parties` of them have come,
// all go on, again and again. A name: copyable, sendable; ends with the last copy in the process
// that made it.
//
// Blocking   wait only. kForever waits, 0 and less never. A party that waits too long breaks it.
// Action     called by one party, the last to come, before any goes on; the others wait for it,
//            beyond their time-outs. If it throws, the barrier is broken and it throws there.
// Broken     by abort(), by a time-out, by an action that throws, by a death: who waits, and who
//            comes until reset(), gets BrokenBarrier, which says why.
// Deaths     it breaks for those who wait when a process is killed that waits too, or that has the
//            barrier and might have come: one that was sent it, or has waited before. (One that
//            ends by exit is no death, and one whose last copy has ended does not count.) Where
//            more processes have it than there are parties and 256, the last of them are only
//            missed while they wait.
// Errors     Unsupported: many more threads than parties wait at once.
// Signals    a handler may not use it; the wait goes on behind a handler.
// Threads    any.
// Source     Python's multiprocessing.Barrier, where a killed party is waited for.
class Barrier {
 public:
  using Action = void (*)();

  // Invalid: fewer than 1 party or more than 10000. `timeout` is that of a wait that names none.
  explicit Barrier(int parties, Action action = nullptr, Millis timeout = kForever);
  static Barrier open(const Handle& handle);

  // 0 to parties − 1, each to one party of a round: the first to come gets 0.
  int wait();
  int wait(Millis timeout);
  // Breaks it.
  void abort();
  // Who waits gets BrokenBarrier; then it is as new.
  void reset();

  int parties() const;
  int n_waiting() const;
  bool broken() const;
  const Handle& handle() const { return file_.handle(); }

 private:
  static constexpr const char* kKind = "barrier";
  struct State;
  explicit Barrier(SessionFile file);

  SessionFile file_;
  State* state_;
  std::shared_ptr<Membership> membership_;
};

}  // namespace towpath
