#pragma once
#include "towpath/base/private_fd.h"

namespace towpath {

// What wakes who sleeps in poll(2): an eventfd, readable from signal() until clear(). It is this
// process's; a copy that was passed to another goes by the same count.
//
// Threads    any. signal() may be called from a signal handler, too.
class WakeFd {
 public:
  WakeFd() = default;  // none
  explicit WakeFd(UniqueFd fd) : fd_(std::move(fd)) {}
  static WakeFd create();  // SystemError

  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  void signal() const noexcept;
  void clear() const noexcept;

 private:
  PrivateFd fd_;
};

}  // namespace towpath
