#include "towpath/pool/gather.h"

namespace towpath::pool {

void Gathering::watch(FutureState& state, size_t index) {
  state.call_when_done([self = shared_from_this(), index] {
    const std::lock_guard lock(self->mutex_);
    self->done_.push_back(index);
    self->cv_.notify_one();
  });
}

bool Gathering::next(const Deadline& deadline, size_t& index) {
  std::unique_lock lock(mutex_);
  const auto there = [this] { return !done_.empty(); };
  if (deadline.left() == kForever) {
    cv_.wait(lock, there);
  } else if (!cv_.wait_for(lock, deadline.left(), there)) {
    return false;
  }
  index = done_.front();
  done_.pop_front();
  return true;
}

}  // namespace towpath::pool
