#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/pool/engine.h"
#include "towpath/pool/errors.h"

namespace towpath {
namespace pools {

// The inside of a Future, whatever its type.
class FutureState : public Receiver {
 public:
  FutureState(std::weak_ptr<Engine> engine, uint64_t tasks, OutgoingNames::Copies named);

  void take(uint64_t first, uint32_t count, std::string outcomes, bool thrown) override;
  void fail(uint64_t first, uint32_t count, std::exception_ptr error) override;

  bool done() const { return done_.load(std::memory_order_acquire); }
  bool running() const;
  bool cancel();
  bool kill();
  bool was_cancelled() const;
  // Waits until it is done; Timeout. Invalid from a callback, where that would be for ever.
  void wait(Millis timeout) const;
  // After wait(): rethrows its error.
  void require_result() const;
  std::exception_ptr error() const;
  // A task has thrown, or error().
  bool failed() const;
  // Outcomes of tasks that follow one another.
  struct Part {
    uint64_t first = 0;
    uint32_t count = 0;
    bool thrown = false;
    std::string outcomes{};
  };
  // After wait(): all, in order.
  std::span<const Part> parts() const;
  // A number for forget(); 0: it was called, the future being done.
  uint64_t call_when_done(std::function<void()> callback);
  // It is not called any more, unless it is being called.
  void forget(uint64_t callback);
  // Invalid where a wait for what is not done would be for ever: on the thread of its pool, and in
  // a child that was forked from the pool's process.
  void refuse_vain_wait() const;
  std::vector<std::exception_ptr> callback_errors() const;

 private:
  // What most have no need of: a program may hold millions of them. Made when there is.
  struct More {
    OutgoingNames::Copies named;                          // in the arguments: the tasks find them
    std::condition_variable done_cv;                      // of those that sleep
    std::vector<Part> parts;                              // of several tasks
    std::map<uint64_t, std::function<void()>> callbacks;  // in the order they were added
    uint64_t next_callback = 1;
    std::vector<std::exception_ptr> callback_errors;
  };
  More& more() const;  // under the lock
  void finish(std::unique_lock<std::mutex> lock);
  void call(const std::function<void()>& callback);

  const std::weak_ptr<Engine> engine_;
  const uint64_t tasks_;
  mutable std::mutex mutex_;
  // Once it is true, only callback_errors may change; the rest is read without the lock.
  std::atomic<bool> done_{false};
  bool was_cancelled_ = false;
  uint64_t arrived_ = 0;
  std::exception_ptr error_;
  Part only_;  // of a single task
  mutable std::unique_ptr<More> more_;
};

// Reads what a task has thrown, and throws it.
[[noreturn]] void throw_remote(Decoder& in, uint64_t task);

}  // namespace pools

class Pool;
template <class R>
class Future;
template <class R>
const std::shared_ptr<pools::FutureState>& state_of(const Future<R>& future);

// A result that is still to come. A name: copies are the same future.
//
// Errors     get and exception: Timeout, when it is not done in time. get: what the task threw (see
//            remote_error.h), WorkerDied, DeadlinePassed, Cancelled, Closed (the pool was
//            terminated), Invalid (the result is not of the type R, or can't be read here).
// Threads    any.
// Callbacks  run on the pool's thread, in the order they were added; at once, on the caller's, when
//            the future is done already or by cancel(). What one throws is logged and kept here.
// Source     Python's concurrent.futures.Future and multiprocessing's AsyncResult. kill() is new.
template <class R>
class Future {
 public:
  using Read = R (*)(const pools::FutureState&);

  Future() = default;  // none: every use is undefined but valid()
  bool valid() const { return state_ != nullptr; }

  // Decodes at every call.
  R get(Millis timeout = kForever) const {
    state_->wait(timeout);
    state_->require_result();
    return read_(*state_);
  }
  R result(Millis timeout = kForever) const { return get(timeout); }
  bool wait(Millis timeout = kForever) const {
    try {
      state_->wait(timeout);
      return true;
    } catch (const Timeout&) {
      return false;
    }
  }
  // Null: it has a result.
  std::exception_ptr exception(Millis timeout = kForever) const {
    state_->wait(timeout);
    if (auto error = state_->error()) return error;
    try {
      (void)read_(*state_);
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }

  bool done() const { return state_->done(); }
  bool ready() const { return done(); }
  bool running() const { return state_->running(); }
  // Invalid before it is done.
  bool successful() const {
    if (!done()) throw Invalid("successful: the future is not done");
    return exception() == nullptr;
  }
  bool cancelled() const { return state_->was_cancelled(); }

  // Of a task that has not begun, or of a map none of whose tasks has: it never will; true. False:
  // it runs, or is done.
  bool cancel() { return state_->cancel(); }
  // The same, and what runs of it is ended with its worker, which is replaced. True: it ends as
  // Cancelled, unless it comes to its own end first.
  bool kill() { return state_->kill(); }

  void add_done_callback(std::function<void(Future&)> callback) {
    (void)state_->call_when_done(
        [*this, callback = std::move(callback)]() mutable { callback(*this); });
  }
  std::vector<std::exception_ptr> callback_errors() const { return state_->callback_errors(); }

  bool operator==(const Future& other) const { return state_ == other.state_; }

 private:
  friend class Pool;
  template <class T>
  friend const std::shared_ptr<pools::FutureState>& state_of(const Future<T>&);
  Future(std::shared_ptr<pools::FutureState> state, Read read)
      : state_(std::move(state)), read_(std::move(read)) {}

  std::shared_ptr<pools::FutureState> state_;
  Read read_ = nullptr;
};

template <class R>
const std::shared_ptr<pools::FutureState>& state_of(const Future<R>& future) {
  return future.state_;
}

}  // namespace towpath
