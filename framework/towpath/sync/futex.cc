#include "towpath/sync/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace towpath {

bool futex_wait(const std::atomic<uint32_t>& word, uint32_t expected, Millis most) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(most);
  const timespec time{seconds.count(),
                      static_cast<long>(std::chrono::nanoseconds(most - seconds).count())};
  return ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &time, nullptr, 0) == 0 ||
         errno != ETIMEDOUT;
}

int futex_wake(const std::atomic<uint32_t>& word, int most) {
  return static_cast<int>(::syscall(SYS_futex, &word, FUTEX_WAKE, most, nullptr, nullptr, 0));
}

}  // namespace towpath
