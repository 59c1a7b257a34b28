#pragma once
#include <atomic>

#include "towpath/base/clock.h"
#include "towpath/memory/session_file.h"

namespace towpath {

// A flag that threads of all processes of a program wait for. A name: copyable, sendable; ends with
// the last copy in the process that made it. It is not set at first.
//
// Blocking   wait only; kForever waits, 0 and less never.
// Deaths     it is one word: nothing is left half done.
// Signals    set, clear and is_set may be called in a handler: so one may end a wait.
// Threads    any.
// Source     Python's multiprocessing.Event. There a wait can miss a set() that a clear() follows
//            at once; here whoever waited then returns true.
class Event {
 public:
  Event();
  static Event open(const Handle& handle) { return Event(SessionFile::open(kKind, handle)); }

  void set();
  void clear();
  bool is_set() const;
  // False: the time passed, and it was never set.
  bool wait(Millis timeout = kForever) const;
  const Handle& handle() const { return file_.handle(); }

 private:
  static constexpr const char* kKind = "event";
  // Odd while it is set. Each change adds 1, so a waiter sees also what was undone.
  struct State {
    std::atomic<uint32_t> changes;
  };
  explicit Event(SessionFile file) : file_(std::move(file)), state_(&file_.as<State>()) {}

  SessionFile file_;
  State* state_;
};

}  // namespace towpath
