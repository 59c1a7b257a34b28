#include "towpath/shared/ending_thread.h"

#include <utility>

namespace towpath::managed {

EndingThread::EndingThread() : thread_([this] { run(); }) {}

EndingThread::~EndingThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void EndingThread::end(std::shared_ptr<void> object) {
  const std::lock_guard lock(mutex_);
  objects_.push_back(std::move(object));
  changed_.notify_all();
}

void EndingThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !objects_.empty(); });
    if (objects_.empty()) return;
    auto ending = std::exchange(objects_, {});
    lock.unlock();
    // What they held comes back to end().
    for (auto& object : ending) object.reset();
    lock.lock();
  }
}

}  // namespace towpath::managed
