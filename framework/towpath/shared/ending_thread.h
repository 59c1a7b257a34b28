#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace towpath::managed {

// Ends objects, one after another, in a thread of its own: their destructors are the user's, may
// take long, and may call the manager that holds them.
class EndingThread {
 public:
  EndingThread();
  EndingThread(const EndingThread&) = delete;
  ~EndingThread();  // when all have ended

  // Never waits.
  void end(std::shared_ptr<void> object);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<void>> objects_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace towpath::managed
