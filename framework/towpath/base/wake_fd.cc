#include "towpath/base/wake_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "towpath/base/error.h"

namespace towpath {

WakeFd WakeFd::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) throw_errno("eventfd");
  return WakeFd(std::move(event));
}

void WakeFd::signal() const noexcept {
  const uint64_t one = 1;
  // Only a full count fails: then it is readable anyway.
  [[maybe_unused]] const ssize_t done = ::write(fd_.get(), &one, sizeof one);
}

void WakeFd::clear() const noexcept {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t done = ::read(fd_.get(), &count, sizeof count);
}

}  // namespace towpath
