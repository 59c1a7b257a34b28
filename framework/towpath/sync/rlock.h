#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "towpath/base/clock.h"
#include "towpath/memory/session_file.h"
#include "towpath/sync/acquired.h"
#include "towpath/sync/lock_owner.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// A lock that its holder, a thread, may acquire again; it is free after as many releases. A name:
// copyable, sendable; ends with the last copy in the process that made it.
//
// Blocking, cost, signals, threads: as Lock.
// Deaths     the end of the thread that holds it frees it, all levels at once; the next who
//            acquires is told.
// Source     Python's multiprocessing.RLock, which a dead holder keeps for ever.
class RLock {
 public:
  class Guard;

  RLock();
  static RLock open(const Handle& handle) { return RLock(SessionFile::open(kKind, handle)); }
  // With so many bytes beside it, zero at first, which it guards: what a Value lies in. One file
  // and one mapping hold both.
  static RLock with_memory(uint64_t bytes);

  Acquired acquire(Millis timeout = kForever);
  // Invalid: this thread doesn't hold it.
  void release();
  // Acquires, and releases at its end. Timeout when that passes.
  Guard guard(Millis timeout = kForever);

  bool locked() const;  // by a thread that lives
  LockOwner owner() const;
  // Begins at a cache line; empty unless it was made by with_memory().
  std::span<std::byte> memory() const;
  const Handle& handle() const { return file_.handle(); }

 private:
  friend class Condition;
  static constexpr const char* kKind = "rlock";
  static constexpr uint64_t kMemoryAt = 64;
  struct State {
    OwnedWord word;               // a thread
    std::atomic<uint32_t> depth;  // of the thread that holds it, which alone changes it
    std::atomic<uint32_t> pid;    // its process
  };
  explicit RLock(SessionFile file);
  static bool release_own(State& state);

  SessionFile file_;
  State* state_;
};

// Releases what it acquired. Must end in the thread that made it, and before the last copy of its
// lock in this process.
class [[nodiscard]] RLock::Guard {
 public:
  Guard(Guard&& other) noexcept;
  ~Guard();
  const bool owner_died;  // who held it before died with it

 private:
  friend class RLock;
  Guard(State* state, bool died) : owner_died(died), state_(state) {}
  State* state_;
};

}  // namespace towpath
