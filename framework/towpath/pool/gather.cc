#include "towpath/pool/gather.h"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace towpath::pools {

struct Gathering::Inbox {
  std::mutex mutex;
  std::condition_variable cv;
  std::deque<size_t> done;
};

Gathering::Gathering() : inbox_(std::make_shared<Inbox>()) {}

Gathering::~Gathering() {
  for (const Watched& each : watched_) each.state->forget(each.callback);
}

void Gathering::watch(const std::shared_ptr<FutureState>& state, size_t index) {
  const uint64_t callback = state->call_when_done([inbox = inbox_, index] {
    const std::lock_guard lock(inbox->mutex);
    inbox->done.push_back(index);
    inbox->cv.notify_one();
  });
  if (callback != 0) watched_.push_back({state, callback});
}

bool Gathering::next(const Deadline& deadline, size_t& index) {
  std::unique_lock lock(inbox_->mutex);
  const auto there = [this] { return !inbox_->done.empty(); };
  if (!there() && !may_wait_) {
    for (const Watched& each : watched_) each.state->refuse_vain_wait();
    may_wait_ = true;
  }
  if (!deadline.wait(inbox_->cv, lock, there)) return false;
  index = inbox_->done.front();
  inbox_->done.pop_front();
  return true;
}

}  // namespace towpath::pools
