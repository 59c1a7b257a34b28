#include <condition_variable>
#include <list>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/process/code_address.h"
#include "towpath/process/remote_error.h"
#include "towpath/shared/served_locks.h"
#include "towpath/shared/served_sync.h"
#include "towpath/shared/served_type.h"

// Where threads of several clients wait for each other: Event, Condition, Barrier.

namespace towpath::managed {
namespace {

class ServedEvent final : public Referent {
 public:
  explicit ServedEvent(Invocation&) : Referent(event_type()) {}

  void set(Invocation& call) {
    const std::lock_guard lock(mutex_);
    set_ = true;
    ++times_;
    changed_.notify_all();
    call.out.nil();
  }
  void clear(Invocation& call) {
    const std::lock_guard lock(mutex_);
    set_ = false;
    call.out.nil();
  }
  void is_set(Invocation& call) {
    const std::lock_guard lock(mutex_);
    call.out.boolean(set_);
  }
  // True also for who waited when it was set, though it was cleared at once.
  void wait(Invocation& call) {
    const auto timeout = call.take_timeout();
    std::unique_lock lock(mutex_);
    const uint64_t before = times_;
    call.out.boolean(wait_for_caller(changed_, lock, timeout, call.caller,
                                     [&] { return set_ || times_ != before; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
  uint64_t times_ = 0;
};

class ServedCondition final : public Referent {
 public:
  // Its lock: the number of a lock object.
  explicit ServedCondition(Invocation& call)
      : Referent(condition_type()),
        lock_(std::dynamic_pointer_cast<ServedLock>(call.caller.find(call.take<uint64_t>()))) {
    if (lock_ == nullptr) throw Invalid("a condition of what is no lock");
  }

  void acquire(Invocation& call) { lock_->serve_acquire(call); }
  void release(Invocation& call) { lock_->serve_release(call); }

  void wait(Invocation& call) {
    const HolderThread me = take_holder(call);
    const auto timeout = call.take_timeout();
    std::unique_lock lock(mutex_);
    Waiter waiter;
    const auto place = waiters_.insert(waiters_.end(), &waiter);
    const auto leave = [&] {
      if (!waiter.notified) waiters_.erase(place);
    };
    try {
      const uint32_t depth = lock_->let_go(me);
      const bool notified = wait_for_caller(changed_, lock, timeout, call.caller,
                                            [&waiter] { return waiter.notified; });
      leave();
      waiter.out = true;
      lock.unlock();
      const Acquired acquired = lock_->acquire(me, kForever, call.caller, depth);
      call.out.array(2);
      call.out.boolean(notified);
      call.out.boolean(acquired.owner_died());
      call.not_taken = [this, me, depth, notified] {
        lock_->not_taken(me, depth);
        const std::lock_guard again(mutex_);
        if (notified) notify_some(1);
      };
    } catch (...) {
      // Its notification, if it had one, is for another who waits.
      if (!lock) lock.lock();
      if (!waiter.out) leave();
      if (waiter.notified) notify_some(1);
      throw;
    }
  }
  void notify(Invocation& call) {
    const HolderThread me = take_holder(call);
    const auto n = call.take<int64_t>();
    if (n < 1) throw Invalid(format("notify({}); 1 is the least", n));
    if (!lock_->held_by(me)) throw Invalid("notify() by a thread that doesn't hold the lock");
    const std::lock_guard lock(mutex_);
    call.out.integer(notify_some(n));
  }

 private:
  struct Waiter {
    bool notified = false;
    bool out = false;
  };
  int64_t notify_some(int64_t n) {
    int64_t notified = 0;
    for (; notified < n && !waiters_.empty(); ++notified) {
      waiters_.front()->notified = true;
      waiters_.pop_front();
    }
    changed_.notify_all();
    return notified;
  }

  const std::shared_ptr<ServedLock> lock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiter*> waiters_;  // that are not notified, the first to come first
};

class ServedBarrier final : public Referent {
 public:
  explicit ServedBarrier(Invocation& call)
      : Referent(barrier_type()),
        parties_(call.take<int64_t>()),
        round_(std::make_shared<Round>()) {
    if (parties_ < 1) throw Invalid(format("a barrier of {} parties; 1 is the least", parties_));
    if (const auto action = call.take<std::optional<CodeAddress>>()) {
      call.caller.require_functions();
      action_ = reinterpret_cast<void (*)()>(resolve_code(*action));
    }
  }

  // The index of this party, or why the barrier is broken.
  void wait(Invocation& call) {
    const auto timeout = call.take_timeout();
    std::unique_lock lock(mutex_);
    // One more than there are parties, while they act: it is one of the next round.
    wait_for_caller(changed_, lock, kForever, call.caller,
                    [this] { return !round_->running || round_->broken; });
    const std::shared_ptr<Round> round = round_;
    if (round->broken) return give_broken(call, *round);
    const int64_t index = round->arrived++;
    if (round->arrived == parties_) {
      run_action(*round, lock);
    } else {
      wait_for_others(*round, lock, timeout, call.caller);
    }
    if (round->broken) return give_broken(call, *round);
    call.out.array(2);
    call.out.integer(index);
    call.out.nil();
  }
  void abort(Invocation& call) {
    const std::lock_guard lock(mutex_);
    break_it(*round_, "abort() was called");
    call.out.nil();
  }
  void reset(Invocation& call) {
    const std::lock_guard lock(mutex_);
    if (round_->arrived > 0) break_it(*round_, "reset() was called");
    round_ = std::make_shared<Round>();
    call.out.nil();
  }
  void parties(Invocation& call) { call.out.integer(parties_); }
  void n_waiting(Invocation& call) {
    const std::lock_guard lock(mutex_);
    call.out.integer(round_->broken || round_->running ? 0 : round_->arrived);
  }
  void broken(Invocation& call) {
    const std::lock_guard lock(mutex_);
    call.out.boolean(round_->broken.has_value());
  }

 private:
  struct Round {
    int64_t arrived = 0;
    bool running = false;  // the action
    bool passed = false;
    std::optional<std::string> broken;
  };

  static void give_broken(Invocation& call, const Round& round) {
    call.out.array(2);
    call.out.integer(-1);
    call.out.string(*round.broken);
  }
  void break_it(Round& round, std::string why) {
    if (round.passed || round.broken) return;
    round.broken = std::move(why);
    changed_.notify_all();
  }
  void run_action(Round& round, std::unique_lock<std::mutex>& lock) {
    if (action_ != nullptr) {
      round.running = true;
      lock.unlock();
      try {
        action_();
      } catch (...) {
        lock.lock();
        round.running = false;
        break_it(round, "the action has thrown");
        throw;
      }
      lock.lock();
      round.running = false;
      if (round.broken) return;
    }
    round.passed = true;
    round_ = std::make_shared<Round>();
    changed_.notify_all();
  }
  void wait_for_others(Round& round, std::unique_lock<std::mutex>& lock, Millis timeout,
                       Caller& caller) {
    const auto done = [&round] { return round.passed || round.broken.has_value(); };
    try {
      if (wait_for_caller(changed_, lock, timeout, caller,
                          [&] { return done() || round.running; }) &&
          (done() || wait_for_caller(changed_, lock, kForever, caller, done)))
        return;
      break_it(round, format("a party waited longer than {} ms", timeout.count()));
    } catch (const CallerGone&) {
      break_it(round, "a process that waited has ended");
      throw;
    }
  }

  const int64_t parties_;
  void (*action_)() = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Round> round_;
};

template <class T>
ObjectType concurrent(ObjectType type) {
  type.concurrent = true;
  return type;
}

}  // namespace

const ObjectType& event_type() {
  static const ObjectType type =
      concurrent<ServedEvent>(served_type<ServedEvent>("event", {{"set", &ServedEvent::set},
                                                                 {"clear", &ServedEvent::clear},
                                                                 {"is_set", &ServedEvent::is_set},
                                                                 {"wait", &ServedEvent::wait}}));
  return type;
}
const ObjectType& condition_type() {
  static const ObjectType type = concurrent<ServedCondition>(
      served_type<ServedCondition>("condition", {{"acquire", &ServedCondition::acquire},
                                                 {"release", &ServedCondition::release},
                                                 {"wait", &ServedCondition::wait},
                                                 {"notify", &ServedCondition::notify}}));
  return type;
}
const ObjectType& barrier_type() {
  static const ObjectType type = concurrent<ServedBarrier>(
      served_type<ServedBarrier>("barrier", {{"wait", &ServedBarrier::wait},
                                             {"abort", &ServedBarrier::abort},
                                             {"reset", &ServedBarrier::reset},
                                             {"parties", &ServedBarrier::parties},
                                             {"n_waiting", &ServedBarrier::n_waiting},
                                             {"broken", &ServedBarrier::broken}}));
  return type;
}

}  // namespace towpath::managed
