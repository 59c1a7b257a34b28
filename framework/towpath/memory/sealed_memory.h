#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "towpath/base/unique_fd.h"

namespace towpath {

// Shared memory without a name: a memfd that can't shrink, so whoever maps it never meets SIGBUS by
// another's ftruncate. It has no name in any file system: nothing stays behind, whatever dies.
//
// Processes  pass fd() over a socket or as an inherited descriptor; the other side calls adopt().
// Errors     SystemError; adopt(): Invalid for a descriptor that is no memfd sealed so.
class SealedMemory {
 public:
  enum class Growth { kFixed, kGrows };

  SealedMemory() = default;  // none
  // `name` is shown in /proc/PID/maps only. All bytes are zero, and take memory when first touched.
  static SealedMemory create(const std::string& name, uint64_t size,
                             Growth growth = Growth::kFixed);
  static SealedMemory adopt(UniqueFd fd);

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  uint64_t size() const { return size_; }
  void grow(uint64_t size);  // kGrows only; others see it at their next adopt()

 private:
  SealedMemory(UniqueFd fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}

  UniqueFd fd_;
  uint64_t size_ = 0;
};

}  // namespace towpath
