#include "towpath/pool/future.h"

#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/process/remote_error.h"

namespace towpath::pools {

void throw_remote(Decoder& in, uint64_t task) {
  auto trace = decode<RemoteTrace>(in);
  if (trace.task < 0) trace.task = static_cast<int64_t>(task);
  std::rethrow_exception(exception_of(std::move(trace)));
}

FutureState::FutureState(std::weak_ptr<Engine> engine, uint64_t tasks, OutgoingNames::Copies named)
    : engine_(std::move(engine)), tasks_(tasks) {
  if (!named.empty()) more().named = std::move(named);
}

FutureState::More& FutureState::more() const {
  if (!more_) more_ = std::make_unique<More>();
  return *more_;
}

void FutureState::take(uint64_t first, uint32_t count, std::string outcomes, bool thrown) {
  std::unique_lock lock(mutex_);
  if (done_) return;
  Part part{first, count, thrown, std::move(outcomes)};
  if (tasks_ == 1) {
    only_ = std::move(part);
  } else {
    more().parts.push_back(std::move(part));
  }
  arrived_ += count;
  if (arrived_ >= tasks_) finish(std::move(lock));
}

void FutureState::fail(uint64_t, uint32_t count, std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  if (done_) return;
  if (!error_) error_ = std::move(error);
  arrived_ += count;
  if (arrived_ >= tasks_) finish(std::move(lock));
}

void FutureState::finish(std::unique_lock<std::mutex> lock) {
  if (more_) std::ranges::sort(more_->parts, {}, &Part::first);
  if (error_) {
    try {
      std::rethrow_exception(error_);
    } catch (const Cancelled&) {
      was_cancelled_ = true;
    } catch (...) {
      // Of another kind.
    }
  }
  done_.store(true, std::memory_order_release);
  if (!more_) return;
  const auto callbacks = std::move(more_->callbacks);
  more_->callbacks.clear();
  lock.unlock();
  more_->done_cv.notify_all();
  for (const auto& [number, callback] : callbacks) call(callback);
}

void FutureState::call(const std::function<void()>& callback) {
  try {
    callback();
  } catch (...) {
    log(Level::kError,
        format("a future's callback has thrown {}", text_of(trace_of_current_exception())));
    const std::lock_guard lock(mutex_);
    more().callback_errors.push_back(std::current_exception());
  }
}

uint64_t FutureState::call_when_done(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!done_) {
      More& it = more();
      it.callbacks.emplace(it.next_callback, std::move(callback));
      return it.next_callback++;
    }
  }
  call(callback);
  return 0;
}

void FutureState::forget(uint64_t callback) {
  std::function<void()> forgotten;  // ends without the lock: what it holds may be this
  const std::lock_guard lock(mutex_);
  if (!more_) return;
  const auto it = more_->callbacks.find(callback);
  if (it == more_->callbacks.end()) return;
  forgotten = std::move(it->second);
  more_->callbacks.erase(it);
}

void FutureState::refuse_vain_wait() const {
  if (done()) return;
  const auto engine = engine_.lock();
  if (engine != nullptr && !done()) engine->refuse_vain_wait();
}

std::vector<std::exception_ptr> FutureState::callback_errors() const {
  const std::lock_guard lock(mutex_);
  return more_ ? more_->callback_errors : std::vector<std::exception_ptr>();
}

bool FutureState::was_cancelled() const { return done() && was_cancelled_; }

bool FutureState::running() const {
  if (done()) return false;
  const auto engine = engine_.lock();
  return engine && engine->is_running(*this);
}

bool FutureState::cancel() {
  {
    const std::lock_guard lock(mutex_);
    if (done_) return was_cancelled_;
  }
  const auto engine = engine_.lock();
  if (!engine || !engine->cancel(*this, tasks_)) return was_cancelled();
  std::unique_lock lock(mutex_);
  if (done_) return was_cancelled_;
  error_ = std::make_exception_ptr(Cancelled("it was cancelled before it ran"));
  finish(std::move(lock));
  return true;
}

bool FutureState::kill() {
  if (cancel()) return true;
  const auto engine = engine_.lock();
  return engine && !done() && engine->kill_running(*this, tasks_);
}

void FutureState::wait(Millis timeout) const {
  if (done()) return;
  refuse_vain_wait();
  std::unique_lock lock(mutex_);
  if (done()) return;
  if (!Deadline(timeout).wait(more().done_cv, lock, [this] { return done(); }))
    throw Timeout("the task is not done yet");
}

void FutureState::require_result() const {
  if (error_) std::rethrow_exception(error_);
}

std::exception_ptr FutureState::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

std::span<const FutureState::Part> FutureState::parts() const {
  if (tasks_ == 1) return {&only_, size_t{arrived_ != 0 && !error_}};
  return more_ ? std::span<const Part>(more_->parts) : std::span<const Part>();
}

bool FutureState::failed() const {
  const std::lock_guard lock(mutex_);
  return error_ || std::ranges::any_of(parts(), &Part::thrown);
}

}  // namespace towpath::pools
