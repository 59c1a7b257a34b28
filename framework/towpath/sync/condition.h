#pragma once
#include <string>
#include <variant>

#include "towpath/base/clock.h"
#include "towpath/memory/session_file.h"
#include "towpath/sync/lock.h"
#include "towpath/sync/rlock.h"

namespace towpath {

// What came of Condition::wait. Converts to bool: whether it was notified; of wait_for: whether it
// is so.
struct Woken {
  bool notified = false;
  bool owner_died = false;  // who held the lock died with it while this one waited
  explicit operator bool() const { return notified; }
};

// Threads of all processes of a program wait here, with a lock let go, until another notifies them.
// A name: copyable, sendable, and its lock with it; ends with the last copy in the process that
// made it.
//
// Blocking   wait lets the lock go, waits, and acquires it again, which may take beyond the
//            time-out.
// Exactness  notify wakes those who wait at that moment, the first to come first, and no other.
// Deaths     a waiter that is killed eats no notification: another who waited then has it. The
//            lock's holder: as with the lock.
// Errors     Invalid: the lock is not held by this thread. Unsupported: 500 wait already.
// Signals    a handler may not use it; the wait goes on behind a handler. (In Python a handler that
//            throws, as that of Ctrl-C does, ends the wait. Here none can: SIGINT without a handler
//            ends the process, and who wants to end in order waits with a time-out.)
// Threads    any.
// Source     Python's multiprocessing.Condition.
class Condition {
 public:
  class Guard;

  Condition();  // with an RLock of its own
  explicit Condition(const Lock& lock);
  explicit Condition(const RLock& lock);
  static Condition open(const Handle& handle) {
    return Condition(SessionFile::open(kKind, handle));
  }

  Acquired acquire(Millis timeout = kForever);
  void release();
  Guard guard(Millis timeout = kForever);

  // All levels of an RLock are let go, and acquired again.
  Woken wait(Millis timeout = kForever);
  // Waits until `is_so()`, which is called with the lock held. Not notified: not in time.
  template <class Predicate>
  Woken wait_for(Predicate is_so, Millis timeout = kForever) {
    const Deadline deadline(timeout);
    Woken woken;
    while (!(woken.notified = is_so()) && !deadline.passed()) {
      if (wait(deadline.left()).owner_died) woken.owner_died = true;
    }
    return woken;
  }
  // How many are notified. Where that is all, one who was killed in its wait may be among them.
  int notify(int n = 1);
  int notify_all();
  const Handle& handle() const { return file_.handle(); }

 private:
  static constexpr const char* kKind = "condition";
  struct State;
  explicit Condition(SessionFile file);
  Condition(std::variant<Lock, RLock> lock, const Handle& handle);
  void require_lock(const char* what) const;
  uint32_t let_go();
  Acquired acquire_again(uint32_t depth);

  SessionFile file_;
  State* state_;
  std::variant<Lock, RLock> lock_;
};

// Releases the condition's lock.
class [[nodiscard]] Condition::Guard {
 public:
  const bool owner_died;  // who held the lock before died with it

 private:
  friend class Condition;
  using Any = std::variant<Lock::Guard, RLock::Guard>;
  Guard(Any guard, bool died) : owner_died(died), guard_(std::move(guard)) {}
  Any guard_;
};

}  // namespace towpath
