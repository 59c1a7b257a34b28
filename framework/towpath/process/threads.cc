#include "towpath/process/threads.h"

#include <filesystem>
#include <system_error>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/channel/wait.h"

namespace towpath {
namespace {

constexpr Millis kLeaving{20};

}  // namespace

size_t count_threads() {
  size_t threads = 0;
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  if (error) throw SystemError("opendir(/proc/self/task)", error.value());
  for ([[maybe_unused]] const auto& task : tasks) ++threads;
#if defined(__SANITIZE_THREAD__)
  --threads;  // ThreadSanitizer's own, which it makes anew in a child
#endif
  return threads;
}

size_t count_threads_that_stay() {
  const Deadline deadline(kLeaving);
  for (;;) {
    const size_t threads = count_threads();
    if (threads == 1 || deadline.passed()) return threads;
    wait_readable(-1, Millis{1});
  }
}

}  // namespace towpath
