#include "towpath/shared/served_locks.h"

#include <map>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/shared/served_sync.h"
#include "towpath/shared/served_type.h"

namespace towpath::managed {

HolderThread take_holder(Invocation& call) {
  return {call.caller.client().id, call.take<uint64_t>()};
}

Acquired ServedLock::acquire(HolderThread me, Millis timeout, Caller& caller, uint32_t depth) {
  std::unique_lock lock(mutex_);
  if (kind_ == Kind::kRLock && depth_ > 0 && holder_ == me) {
    depth_ += depth;
    return Acquired::kYes;
  }
  if (!wait_for_caller(changed_, lock, timeout, caller, [this] { return depth_ == 0; }))
    return Acquired::kNo;
  // forget() takes the mutex behind `left`: either it frees what is taken here, or this sees it.
  if (caller.client().left) throw CallerGone{};
  holder_ = me;
  depth_ = depth;
  return std::exchange(died_, false) ? Acquired::kOwnerDied : Acquired::kYes;
}

void ServedLock::not_taken(HolderThread me, uint32_t depth) {
  const std::lock_guard lock(mutex_);
  if (depth_ < depth || holder_ != me) return;  // forget() was here before
  depth_ -= depth;
  if (depth_ > 0) return;
  died_ = true;  // it may have been told, and been cut off before it could say so
  set_free();
}

void ServedLock::set_free() {
  depth_ = 0;
  holder_ = {};
  changed_.notify_all();
}

void ServedLock::release(HolderThread me, const ClientProcess& client) {
  const std::lock_guard lock(mutex_);
  // What a client asked for before it was killed may be read behind its end. Then forget() has
  // given back what it held, or will, and what is held now is another's.
  if (client.left) throw CallerGone{};
  if (depth_ == 0) throw Invalid("release() while nobody holds it");
  if (kind_ == Kind::kRLock && holder_ != me)
    throw Invalid("release() by a thread that doesn't hold it");
  if (depth_ == 1) {
    set_free();
  } else {
    --depth_;
  }
}

bool ServedLock::held_by(HolderThread who) {
  const std::lock_guard lock(mutex_);
  return depth_ > 0 && holder_ == who;
}

uint32_t ServedLock::let_go(HolderThread me) {
  const std::lock_guard lock(mutex_);
  if (depth_ == 0 || holder_ != me) throw Invalid("wait() by a thread that doesn't hold the lock");
  const uint32_t depth = depth_;
  set_free();
  return depth;
}

void ServedLock::forget(const ClientProcess& client) {
  const std::lock_guard lock(mutex_);
  if (depth_ == 0 || holder_.client != client.id) return;
  died_ = true;
  set_free();
}

void ServedLock::serve_acquire(Invocation& call) {
  const HolderThread me = take_holder(call);
  const Acquired acquired = acquire(me, call.take_timeout(), call.caller);
  call.out.unsigned_integer(acquired ? (acquired.owner_died() ? 2 : 1) : 0);
  if (acquired) call.not_taken = [this, me] { not_taken(me, 1); };
}
void ServedLock::serve_release(Invocation& call) {
  const HolderThread me = take_holder(call);
  release(me, call.caller.client());
  call.out.nil();
}
void ServedLock::serve_locked(Invocation& call) {
  const std::lock_guard lock(mutex_);
  call.out.boolean(depth_ > 0);
}

namespace {

class PlainLock final : public ServedLock {
 public:
  explicit PlainLock(Invocation&) : ServedLock(Kind::kLock, lock_type()) {}
};
class RecursiveLock final : public ServedLock {
 public:
  explicit RecursiveLock(Invocation&) : ServedLock(Kind::kRLock, rlock_type()) {}
};

template <class T>
ObjectType type_of_lock(const char* name) {
  ObjectType type =
      served_type<T>(name, {{"acquire", static_cast<void (T::*)(Invocation&)>(&T::serve_acquire)},
                            {"release", static_cast<void (T::*)(Invocation&)>(&T::serve_release)},
                            {"locked", static_cast<void (T::*)(Invocation&)>(&T::serve_locked)}});
  type.concurrent = true;
  return type;
}

// Permits of guards have an owner, the client, and come back when it ends; others don't.
class ServedSemaphore final : public Referent {
 public:
  explicit ServedSemaphore(Invocation& call)
      : Referent(semaphore_type()),
        value_(call.take<int64_t>()),
        most_(call.take<bool>() ? value_ : std::numeric_limits<int64_t>::max()) {
    if (value_ < 0) throw Invalid(format("a semaphore of {} permits; 0 is the least", value_));
  }

  void acquire(Invocation& call) {
    const auto timeout = call.take_timeout();
    const auto guarded = call.take<bool>();
    std::unique_lock lock(mutex_);
    if (!wait_for_caller(changed_, lock, timeout, call.caller, [this] { return value_ > 0; }))
      return call.out.unsigned_integer(0);
    if (call.caller.client().left) throw CallerGone{};
    const uint64_t client = call.caller.client().id;
    --value_;
    if (guarded) ++guarded_[client];
    const bool died = died_ > 0;
    if (died) --died_;
    call.out.unsigned_integer(died ? 2 : 1);
    call.not_taken = [this, client, guarded] { not_taken(client, guarded); };
  }
  void release(Invocation& call) {
    const auto n = call.take<int64_t>();
    const auto guarded = call.take<bool>();
    if (n < 1) throw Invalid(format("release({}); 1 is the least", n));
    std::unique_lock lock(mutex_);
    if (guarded && call.caller.client().left) throw CallerGone{};  // forget() gives it back
    if (n > most_ - value_)
      throw Invalid(format("release({}): {} permits of {} would be free", n, value_ + n, most_));
    if (guarded) take_guarded(call.caller.client().id);
    value_ += n;
    changed_.notify_all();
    call.out.nil();
  }
  void value(Invocation& call) {
    const std::lock_guard lock(mutex_);
    call.out.integer(value_);
  }
  void forget(const ClientProcess& client) override {
    const std::lock_guard lock(mutex_);
    const auto found = guarded_.find(client.id);
    if (found == guarded_.end()) return;
    value_ += found->second;
    died_ += found->second;
    guarded_.erase(found);
    changed_.notify_all();
  }

 private:
  // False: forget() was here before.
  bool take_guarded(uint64_t client) {
    const auto found = guarded_.find(client);
    if (found == guarded_.end()) return false;
    if (--found->second == 0) guarded_.erase(found);
    return true;
  }
  void not_taken(uint64_t client, bool guarded) {
    const std::lock_guard lock(mutex_);
    if (guarded && !take_guarded(client)) return;
    if (guarded) ++died_;
    ++value_;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t value_;
  const int64_t most_;
  std::map<uint64_t, int64_t> guarded_;  // by client
  int64_t died_ = 0;                     // permits of the dead that nobody was told of yet
};

}  // namespace

const ObjectType& lock_type() {
  static const ObjectType type = type_of_lock<PlainLock>("lock");
  return type;
}
const ObjectType& rlock_type() {
  static const ObjectType type = type_of_lock<RecursiveLock>("rlock");
  return type;
}
const ObjectType& semaphore_type() {
  static const ObjectType type = [] {
    ObjectType semaphore =
        served_type<ServedSemaphore>("semaphore", {{"acquire", &ServedSemaphore::acquire},
                                                   {"release", &ServedSemaphore::release},
                                                   {"value", &ServedSemaphore::value}});
    semaphore.concurrent = true;
    return semaphore;
  }();
  return type;
}

}  // namespace towpath::managed
