#pragma once
#include <cstdint>
#include <utility>

#include "towpath/base/clock.h"
#include "towpath/shared/proxy.h"
#include "towpath/sync/acquired.h"
#include "towpath/sync/barrier.h"
#include "towpath/sync/condition.h"

// The primitives of sync/ in a manager: for processes on several hosts. On one host those of sync/
// are a thousand times as fast, and as easily sent. What is not said here is as there, and as Proxy
// has it.
//
// Deaths     what a process holds comes back when it ends, and who gets it next is told. (The end
//            of a thread alone frees nothing, an RLock neither.)

namespace towpath {

namespace managed {

// A lock, as a client sees it. Both kinds and conditions have it.
class AnyLockProxy : public Proxy {
 public:
  class Guard;

  Acquired acquire(Millis timeout = kForever);
  void release();
  // Acquires, and releases at its end. Timeout when that passes.
  Guard guard(Millis timeout = kForever);

 protected:
  using Proxy::Proxy;
};

class [[nodiscard]] AnyLockProxy::Guard {
 public:
  Guard(Guard&& other) noexcept
      : owner_died(other.owner_died), lock_(std::exchange(other.lock_, std::nullopt)) {}
  ~Guard();               // of a manager that has ended there is nothing to release
  const bool owner_died;  // who held it before died with it

 private:
  friend class AnyLockProxy;
  Guard(AnyLockProxy lock, bool died) : owner_died(died), lock_(std::move(lock)) {}
  std::optional<AnyLockProxy> lock_;
};

}  // namespace managed

// Anyone may release it.
class LockProxy : public managed::AnyLockProxy {
 public:
  static constexpr std::string_view kType = "lock";
  explicit LockProxy(std::shared_ptr<managed::Reference> it) : AnyLockProxy(std::move(it), kType) {}
  bool locked() const { return call<bool>("locked"); }
};

// The thread that holds it may acquire it again.
class RLockProxy : public managed::AnyLockProxy {
 public:
  static constexpr std::string_view kType = "rlock";
  explicit RLockProxy(std::shared_ptr<managed::Reference> it)
      : AnyLockProxy(std::move(it), kType) {}
  bool locked() const { return call<bool>("locked"); }
};

// Permits. Those of guards come back when their process ends; others have no owner.
class SemaphoreProxy : public Proxy {
 public:
  static constexpr std::string_view kType = "semaphore";
  class Guard;
  explicit SemaphoreProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  Acquired acquire(Millis timeout = kForever) { return take(timeout, false); }
  // Invalid: a bounded one would have more than at its beginning.
  void release(int64_t n = 1) { call<void>("release", n, false); }
  Guard guard(Millis timeout = kForever);
  int64_t get_value() const { return call<int64_t>("value"); }

 private:
  Acquired take(Millis timeout, bool guarded);
};

class [[nodiscard]] SemaphoreProxy::Guard {
 public:
  Guard(Guard&& other) noexcept
      : owner_died(other.owner_died), semaphore_(std::exchange(other.semaphore_, std::nullopt)) {}
  ~Guard();
  const bool owner_died;  // the permit came back from a guard whose process died

 private:
  friend class SemaphoreProxy;
  Guard(SemaphoreProxy semaphore, bool died) : owner_died(died), semaphore_(std::move(semaphore)) {}
  std::optional<SemaphoreProxy> semaphore_;
};

class EventProxy : public Proxy {
 public:
  static constexpr std::string_view kType = "event";
  explicit EventProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}
  void set() { call<void>("set"); }
  void clear() { call<void>("clear"); }
  bool is_set() const { return call<bool>("is_set"); }
  bool wait(Millis timeout = kForever) const {
    return call<bool>("wait", int64_t{timeout.count()});
  }
};

class ConditionProxy : public managed::AnyLockProxy {
 public:
  static constexpr std::string_view kType = "condition";
  explicit ConditionProxy(std::shared_ptr<managed::Reference> it)
      : AnyLockProxy(std::move(it), kType) {}

  // Invalid: this thread does not hold the lock. All levels of an RLock are let go.
  Woken wait(Millis timeout = kForever);
  template <class Predicate>
  Woken wait_for(Predicate is_so, Millis timeout = kForever) {
    const Deadline deadline(timeout);
    Woken woken;
    while (!(woken.notified = is_so()) && !deadline.passed()) {
      if (wait(deadline.left()).owner_died) woken.owner_died = true;
    }
    return woken;
  }
  // How many are notified.
  int64_t notify(int64_t n = 1);
  int64_t notify_all();
};

// Breaks also when a process that waits has ended. (One that might still have come is not missed,
// as Barrier does it: give a time-out.)
class BarrierProxy : public Proxy {
 public:
  static constexpr std::string_view kType = "barrier";
  explicit BarrierProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  // 0 to parties − 1: the first to come gets 0. BrokenBarrier says why.
  int64_t wait(Millis timeout = kForever);
  void abort() { call<void>("abort"); }
  void reset() { call<void>("reset"); }
  int64_t parties() const { return call<int64_t>("parties"); }
  int64_t n_waiting() const { return call<int64_t>("n_waiting"); }
  bool broken() const { return call<bool>("broken"); }
};

}  // namespace towpath
