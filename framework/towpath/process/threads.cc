#include "towpath/process/threads.h"

#include <filesystem>

namespace towpath {

size_t count_threads() {
  size_t threads = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++threads;
  }
#if defined(__SANITIZE_THREAD__)
  --threads;  // ThreadSanitizer's own, which it makes anew in a child
#endif
  return threads;
}

}  // namespace towpath
