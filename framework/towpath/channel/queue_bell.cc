#include "towpath/channel/queue_bell.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"

namespace towpath {

// False: nobody has made one, or all who watched are gone.
bool QueueBell::open(bool make) {
  const std::lock_guard lock(mutex_);
  while (!fd_) {
    UniqueFd fd(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno != ENOENT) throw_errno(format("open({})", path_));
    if (!fd) {
      if (!make) return false;
      if (::mkfifo(path_.c_str(), 0600) != 0 && errno != EEXIST)
        throw_errno(format("mkfifo({})", path_));
      continue;
    }
    lock_file(fd, FileLock::kShared, path_);
    if (is_in_place(fd, path_)) fd_ = std::move(fd);  // else it was removed meanwhile
  }
  return true;
}

bool QueueBell::try_open() noexcept {
  try {
    return open(false);
  } catch (const std::exception&) {
    return false;  // who waits looks again
  }
}

void QueueBell::ring() {
  if (!watched() || !open(false)) return;
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

void QueueBell::remove() noexcept {
  if (!watched() || !try_open()) return;
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) return;  // somebody watches, or it stays
  // In this order: who makes another one finds no file only behind this.
  s_.watched = 0;
  ::unlink(path_.c_str());
  ::flock(fd_.get(), LOCK_UN);  // a child of fork may have the same descriptor yet
}

}  // namespace towpath
