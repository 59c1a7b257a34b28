#pragma once
#include <sys/types.h>

#include <cstdint>

#include "towpath/base/unique_fd.h"

namespace towpath {

// A descriptor that belongs to this process alone: closed in children started by fork, which would
// otherwise hold it open and hide this process's death from who watches the other end.
class PrivateFd {
 public:
  PrivateFd() = default;
  explicit PrivateFd(UniqueFd fd);
  PrivateFd(PrivateFd&& other) noexcept : fd_(std::move(other.fd_)), owner_(other.owner_) {}
  PrivateFd& operator=(PrivateFd&& other) noexcept;
  ~PrivateFd() { reset(); }

  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  void reset();
  UniqueFd release();
  // For the child of a fork, before close_private_fds_of_parent(): this one it keeps.
  UniqueFd inherit();

 private:
  UniqueFd fd_;
  pid_t owner_ = 0;
};

// For the child of a fork: closes every PrivateFd of its parent.
void close_private_fds_of_parent();

}  // namespace towpath
