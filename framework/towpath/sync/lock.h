#pragma once
#include <atomic>

#include "towpath/base/clock.h"
#include "towpath/memory/session_file.h"
#include "towpath/sync/acquired.h"
#include "towpath/sync/lock_owner.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// Mutual exclusion between the threads of all processes of a program. A name: copyable, sendable;
// ends with the last copy in the process that made it.
//
// Blocking   acquire waits; kForever waits, 0 and less never. Who waited longest has no precedence.
// Deaths     the lock belongs to the process that acquired it: its end frees the lock, and the next
//            who acquires is told. (The end of a thread alone does not.)
// Cost       free: 15 ns for acquire and release, no system call.
// Signals    a handler may not use it; the wait goes on behind a handler.
// Global     never: it is Invalid before towpath::init, and in a child it would be another lock.
// Threads    any. Children of fork have it, too; what the parent holds, it holds alone.
// Source     Python's multiprocessing.Lock: anyone may release it. There a dead holder keeps it
//            for ever.
class Lock {
 public:
  class Guard;

  Lock();
  static Lock open(const Handle& handle) { return Lock(SessionFile::open(kKind, handle)); }

  Acquired acquire(Millis timeout = kForever);
  // Invalid: nobody holds it.
  void release();
  // Acquires, and releases at its end. Timeout when that passes.
  Guard guard(Millis timeout = kForever);

  bool locked() const;  // by somebody who lives
  LockOwner owner() const;
  const Handle& handle() const { return file_.handle(); }

 private:
  friend class Condition;
  static constexpr const char* kKind = "lock";
  struct State {
    OwnedWord word;             // a process
    std::atomic<uint32_t> tid;  // of the thread that acquired it; 0 just before and behind
    bool release();
  };
  explicit Lock(SessionFile file);

  SessionFile file_;
  State* state_;
};

// Releases what it acquired, unless that was released meanwhile (also where another thread has it
// now), or taken from a dead process.
// Must end before the last copy of its lock in this process.
class [[nodiscard]] Lock::Guard {
 public:
  Guard(Guard&& other) noexcept;
  ~Guard();
  const bool owner_died;  // who held it before died with it

 private:
  friend class Lock;
  Guard(State* state, bool died)
      : owner_died(died), state_(state), tid_(state->tid.load(std::memory_order_relaxed)) {}
  State* state_;
  uint32_t tid_;  // of the thread for which it is held
};

}  // namespace towpath
