#pragma once
#include <sys/syscall.h>
#include <unistd.h>

namespace towpath {

// Sends a signal to the process of a pidfd, and to no other. False: errno says why; ESRCH: it has
// ended.
inline bool signal_process(int pidfd, int signal) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

}  // namespace towpath
