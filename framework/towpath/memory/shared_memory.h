#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "towpath/base/unique_fd.h"

namespace towpath {

// Anonymous shared memory: a memfd that can't shrink, so whoever maps it never meets SIGBUS by
// another's ftruncate. It has no name in any file system: nothing stays behind, whatever dies.
//
// Processes  pass fd() over a socket or as an inherited descriptor; the other side calls adopt().
// Errors     SystemError; adopt(): Invalid for a descriptor that is no memfd sealed so.
class SharedMemory {
 public:
  enum class Growth { kFixed, kGrows };

  SharedMemory() = default;  // none
  // `name` is shown in /proc/PID/maps only. All bytes are zero, and take memory when first touched.
  static SharedMemory create(const std::string& name, uint64_t size,
                             Growth growth = Growth::kFixed);
  static SharedMemory adopt(UniqueFd fd);

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  uint64_t size() const { return size_; }
  void grow(uint64_t size);  // kGrows only; others see it at their next adopt()

 private:
  SharedMemory(UniqueFd fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}

  UniqueFd fd_;
  uint64_t size_ = 0;
};

// Maps a range of a file into this process, and unmaps it.
//
// Fork       a child does not inherit the mapping: touching it there is SIGSEGV, by intention.
//            Memory must be mapped by whoever was granted it, and by nobody else.
class Mapping {
 public:
  enum class Access { kRead, kWrite };

  Mapping() = default;  // none
  // `offset` is a multiple of the page size.
  Mapping(int fd, uint64_t offset, uint64_t size, Access access);
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        pid_(other.pid_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Mapping();

  explicit operator bool() const { return data_ != nullptr; }
  std::span<const char> bytes() const { return {data_, size_}; }
  std::span<char> writable() { return {data_, size_}; }  // kWrite only

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
  pid_t pid_ = 0;  // who mapped it: a forked child has nothing there to unmap
};

}  // namespace towpath
