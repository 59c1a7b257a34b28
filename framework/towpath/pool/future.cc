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

void FutureState::take(uint64_t first, uint32_t count, std::string outcomes, bool thrown) {
  std::unique_lock lock(mutex_);
  if (done_) return;
  parts_.push_back({first, count, std::move(outcomes), thrown});
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
  std::ranges::sort(parts_, {}, &Part::first);
  if (error_) {
    try {
      std::rethrow_exception(error_);
    } catch (const Cancelled&) {
      was_cancelled_ = true;
    } catch (...) {
      // Of another kind.
    }
  }
  done_ = true;
  const auto callbacks = std::move(callbacks_);
  callbacks_.clear();
  lock.unlock();
  done_cv_.notify_all();
  for (const auto& [number, callback] : callbacks) call(callback);
}

void FutureState::call(const std::function<void()>& callback) {
  try {
    callback();
  } catch (...) {
    log(Level::kError,
        format("a future's callback has thrown {}", text_of(trace_of_current_exception())));
    const std::lock_guard lock(mutex_);
    callback_errors_.push_back(std::current_exception());
  }
}

uint64_t FutureState::call_when_done(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!done_) {
      callbacks_.emplace(next_callback_, std::move(callback));
      return next_callback_++;
    }
  }
  call(callback);
  return 0;
}

void FutureState::forget(uint64_t callback) {
  std::function<void()> forgotten;  // ends without the lock: what it holds may be this
  const std::lock_guard lock(mutex_);
  const auto it = callbacks_.find(callback);
  if (it == callbacks_.end()) return;
  forgotten = std::move(it->second);
  callbacks_.erase(it);
}

void FutureState::refuse_vain_wait() const {
  const auto engine = engine_.lock();
  if (engine != nullptr && !done()) engine->refuse_vain_wait();
}

std::vector<std::exception_ptr> FutureState::callback_errors() const {
  const std::lock_guard lock(mutex_);
  return callback_errors_;
}

bool FutureState::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

bool FutureState::was_cancelled() const {
  const std::lock_guard lock(mutex_);
  return was_cancelled_;
}

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
  refuse_vain_wait();
  std::unique_lock lock(mutex_);
  if (done_) return;
  if (!Deadline(timeout).wait(done_cv_, lock, [this] { return done_; }))
    throw Timeout("the task is not done yet");
}

void FutureState::require_result() const {
  if (auto it = error()) std::rethrow_exception(it);
}

std::exception_ptr FutureState::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool FutureState::failed() const {
  const std::lock_guard lock(mutex_);
  return error_ || std::ranges::any_of(parts_, &Part::thrown);
}

}  // namespace towpath::pools
