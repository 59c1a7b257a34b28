#include "towpath/channel/queue_bell.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

int QueueBell::open() {
  const std::lock_guard lock(mutex_);
  if (fd_) return fd_.get();
  if (::mkfifo(path_.c_str(), 0600) != 0 && errno != EEXIST)
    throw_errno(format("mkfifo({})", path_));
  fd_.reset(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!fd_) throw_errno(format("open({})", path_));
  return fd_.get();
}

void QueueBell::ring() {
  if (!watched()) return;
  open();
  const ShortLock lock(s_.lock, [] {});
  set(true);
}

void QueueBell::set(bool ringing) {
  if (ringing == (s_.ringing != 0) && ringing) return;
  if (ringing) {
    // Before it is said: a killed process leaves at most a byte too many.
    [[maybe_unused]] const ssize_t done = ::write(fd_.get(), "", 1);
    s_.ringing = 1;
    return;
  }
  s_.ringing = 0;
  char bytes[64];
  while (::read(fd_.get(), bytes, sizeof bytes) > 0) {
  }
}

void QueueBell::unlink() noexcept { ::unlink(path_.c_str()); }

}  // namespace towpath
