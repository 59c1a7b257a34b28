#pragma once
#include <atomic>
#include <cstdint>

#include "towpath/base/clock.h"
#include "towpath/memory/session_file.h"
#include "towpath/sync/acquired.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// A number of permits, shared by the threads of all processes of a program. A name: copyable,
// sendable; ends with the last copy in the process that made it.
//
// Blocking   acquire waits for a permit; kForever waits, 0 and less never.
// Deaths     a permit has no owner, so one that was acquired stays taken when its process dies. A
//            guard's has: it comes back as soon as somebody waits for one, and as many takers as
//            came back are told kOwnerDied. Until then it counts as taken.
// Cost       a permit is free: 50 ns for acquire and release, no system call.
// Signals    a handler may not use it; the wait goes on behind a handler.
// Threads    any. What guards a child of fork inherits stay its parent's.
// Source     Python's multiprocessing.Semaphore.
class Semaphore {
 public:
  class Guard;

  // Invalid below 0.
  explicit Semaphore(int64_t value = 1);
  static Semaphore open(const Handle& handle) {
    return Semaphore(SessionFile::open(kKind, handle));
  }

  Acquired acquire(Millis timeout = kForever);
  // Gives n permits, 1 or more, that need not have been acquired.
  void release(int64_t n = 1);
  // Takes a permit, and gives it back at its end. Timeout when that passes. Unsupported: more
  // guards at once than permits at the beginning, and more than kGuards.
  Guard guard(Millis timeout = kForever);

  int64_t get_value() const;                        // permits to be had
  bool locked() const { return get_value() == 0; }  // acquire would wait
  const Handle& handle() const { return file_.handle(); }

  static constexpr int64_t kGuards = 500;

 protected:
  enum class Bound { kNone, kFirstValue };
  Semaphore(int64_t value, Bound bound);
  explicit Semaphore(SessionFile file);
  static constexpr const char* kKind = "semaphore";

 private:
  // Permits to be had are value − guarded. A guard takes and gives in one store, to its place
  // below; `guarded` counts those that are taken, and is counted anew behind a death.
  struct State {
    OwnedWord lock;
    std::atomic<uint32_t> changes;  // waiters sleep on it
    std::atomic<uint32_t> waited;   // somebody may sleep
    std::atomic<int64_t> value;
    std::atomic<int64_t> guarded;
    std::atomic<int64_t> orphaned;  // came back from the dead, and nobody was told
    int64_t bound;
    int64_t places;
    // Behind it, one for each place: who holds a guard there; 0: nobody.
    std::atomic<uint64_t>* holders() { return reinterpret_cast<std::atomic<uint64_t>*>(this + 1); }
  };
  class Locked;

  enum class Got { kPermit, kOrphan, kNone, kNoPlace };
  Acquired take(Millis timeout, int64_t* place);
  Got take_now(bool waited, int64_t* place, uint32_t& changes);
  void take_back_from_dead();
  static void give_back(State& state, int64_t place);

  SessionFile file_;
  State* state_;
};

// Gives its permit back. Must end before the last copy of its semaphore in this process.
class [[nodiscard]] Semaphore::Guard {
 public:
  Guard(Guard&& other) noexcept;
  ~Guard();
  const bool owner_died;  // the permit came back from a guard whose process died

 private:
  friend class Semaphore;
  Guard(State* state, int64_t place, bool died) : owner_died(died), state_(state), place_(place) {}
  State* state_;
  int64_t place_;
};

// A Semaphore that never has more permits than at its beginning: release beyond that is Invalid.
class BoundedSemaphore : public Semaphore {
 public:
  explicit BoundedSemaphore(int64_t value = 1) : Semaphore(value, Bound::kFirstValue) {}
  static BoundedSemaphore open(const Handle& handle) {
    return BoundedSemaphore(SessionFile::open(kKind, handle));
  }

 private:
  explicit BoundedSemaphore(SessionFile file) : Semaphore(std::move(file)) {}
};

}  // namespace towpath
