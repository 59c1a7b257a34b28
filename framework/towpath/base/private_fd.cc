#include "towpath/base/private_fd.h"

#include <pthread.h>

#include <atomic>
#include <mutex>
#include <set>

namespace towpath {
namespace {

// Both never destroyed: a PrivateFd may be a static of another file.
std::mutex& mutex() {
  static auto* const it = new std::mutex;
  return *it;
}
std::set<int>& open_fds() {
  static auto* const it = new std::set<int>;
  return *it;
}

}  // namespace

PrivateFd::PrivateFd(UniqueFd fd) : fd_(std::move(fd)), owner_(::getpid()) {
  if (!fd_) return;
  const std::lock_guard lock(mutex());
  open_fds().insert(fd_.get());
}

PrivateFd& PrivateFd::operator=(PrivateFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::move(other.fd_);
    owner_ = other.owner_;
  }
  return *this;
}

void PrivateFd::reset() { release().reset(); }

UniqueFd PrivateFd::release() {
  if (!fd_) return {};
  if (owner_ != ::getpid()) {
    // A copy that a fork made: the number was closed at the fork and may be another's by now.
    (void)fd_.release();
    return {};
  }
  const std::lock_guard lock(mutex());
  open_fds().erase(fd_.get());
  return std::move(fd_);
}

UniqueFd PrivateFd::inherit() {
  const std::lock_guard lock(mutex());
  open_fds().erase(fd_.get());
  return std::move(fd_);
}

void close_private_fds_of_parent() {
  const std::lock_guard lock(mutex());
  for (const int fd : open_fds()) ::close(fd);
  open_fds().clear();
}

}  // namespace towpath
