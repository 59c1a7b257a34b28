#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <utility>

namespace towpath {

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
