#pragma once
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "towpath/base/per_process.h"
#include "towpath/sync/holder.h"

namespace towpath {

// What the threads of this process got of a joinable queue and have not done, in order.
// Threads    any.
// Fork       what the parent holds is not the child's.
template <class Item>
class HeldItems {
 public:
  void add(Item item) {
    const std::lock_guard lock(mutex_);
    check_fork();
    held_.push_back({item, this_thread()});
  }
  // The first of this thread, or else of this process, if it has any.
  std::optional<Item> take() {
    const std::lock_guard lock(mutex_);
    check_fork();
    if (held_.empty()) return std::nullopt;
    auto it = held_.begin();
    while (it != held_.end() && it->thread != this_thread()) ++it;
    if (it == held_.end()) it = held_.begin();
    const Item item = it->item;
    held_.erase(it);
    return item;
  }

 private:
  struct Held {
    Item item;
    Holder thread;
  };
  void check_fork() {
    if (generation_ == fork_generation()) return;
    generation_ = fork_generation();
    held_.clear();
  }

  std::mutex mutex_;
  std::deque<Held> held_;
  uint32_t generation_ = fork_generation();
};

}  // namespace towpath
