#pragma once
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

// A machine that is short of memory: this program's own fallocate, which libtowpath.so calls in
// place of libc's, refuses pages as the kernel does when it has none. Include it in one file of a
// test program.
//
// Tests can't take the machine's memory away in earnest: a cgroup kills instead of
// refusing, a limit on file sizes doesn't hold for a memfd that has its size already.

// While it lives, at most so many bytes can be reserved by this process; giving back (punching)
// works as ever, and counts. -1: any number.
class ShortMachine {
 public:
  explicit ShortMachine(int64_t bytes) { left() = bytes; }
  ShortMachine(const ShortMachine&) = delete;
  ~ShortMachine() { left() = -1; }
  void set(int64_t bytes) { left() = bytes; }  // that are left
  static int64_t& left() {
    static int64_t bytes = -1;
    return bytes;
  }
  static int& refusals() {
    static int count = 0;
    return count;
  }
};

extern "C" int fallocate(int fd, int mode, off_t offset, off_t length) {
  int64_t& left = ShortMachine::left();
  if (left >= 0) {
    if (mode == 0 && length > left) {
      ++ShortMachine::refusals();
      errno = ENOSPC;
      return -1;
    }
    left += mode == 0 ? -length : length;
  }
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, length));
}
