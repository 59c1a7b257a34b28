#include "towpath/shared/sync_proxies.h"

#include <limits>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/sync/holder.h"

namespace towpath {
namespace {

// As the server numbers what came of an acquire.
Acquired acquired_of(uint64_t number) {
  return number == 0 ? Acquired::kNo : number == 1 ? Acquired::kYes : Acquired::kOwnerDied;
}

[[noreturn]] void throw_not_acquired(std::string_view what, Millis timeout) {
  throw Timeout(format("the manager's {}: not acquired in {} ms", what, timeout.count()));
}

}  // namespace

namespace managed {

Acquired AnyLockProxy::acquire(Millis timeout) {
  return acquired_of(call<uint64_t>("acquire", uint64_t{this_thread()}, int64_t{timeout.count()}));
}
void AnyLockProxy::release() { call<void>("release", uint64_t{this_thread()}); }

AnyLockProxy::Guard AnyLockProxy::guard(Millis timeout) {
  const Acquired acquired = acquire(timeout);
  if (!acquired) throw_not_acquired("lock", timeout);
  return {*this, acquired.owner_died()};
}

AnyLockProxy::Guard::~Guard() {
  try {
    if (lock_) lock_->release();
  } catch (const Error&) {
    // The manager has ended, or the lock was released meanwhile.
  }
}

}  // namespace managed

Acquired SemaphoreProxy::take(Millis timeout, bool guarded) {
  return acquired_of(call<uint64_t>("acquire", int64_t{timeout.count()}, guarded));
}

SemaphoreProxy::Guard SemaphoreProxy::guard(Millis timeout) {
  const Acquired acquired = take(timeout, true);
  if (!acquired) throw_not_acquired("semaphore", timeout);
  return {*this, acquired.owner_died()};
}

SemaphoreProxy::Guard::~Guard() {
  try {
    if (semaphore_) semaphore_->call<void>("release", int64_t{1}, true);
  } catch (const Error&) {
    // The manager has ended.
  }
}

Woken ConditionProxy::wait(Millis timeout) {
  const auto [notified, died] =
      call<std::pair<bool, bool>>("wait", uint64_t{this_thread()}, int64_t{timeout.count()});
  return {notified, died};
}
int64_t ConditionProxy::notify(int64_t n) {
  return call<int64_t>("notify", uint64_t{this_thread()}, n);
}
int64_t ConditionProxy::notify_all() { return notify(std::numeric_limits<int64_t>::max()); }

int64_t BarrierProxy::wait(Millis timeout) {
  const auto [index, why] =
      call<std::pair<int64_t, std::optional<std::string>>>("wait", int64_t{timeout.count()});
  if (why) throw BrokenBarrier(format("the manager's barrier is broken: {}", *why));
  return index;
}

}  // namespace towpath
