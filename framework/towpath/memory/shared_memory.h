#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "towpath/memory/session_file.h"

namespace towpath {

// Memory that the processes of a program share, by a name: copyable, sendable. Copies name the same
// memory.
//
// Space      reserved by create: writing never meets SIGBUS. No room in /dev/shm: Full, in numbers.
// Lifetime   it ends with the last copy in the process that created it, or at its unlink(); those
//            who have it open keep the memory. Who only opens it never ends it. A creator that was
//            killed leaves it to the end of the session (see base/program_session.h).
// Errors     Invalid: a bad name or size, a name that exists. Closed: no such name; buf() after
//            close(). Both name it.
// Threads    one object, one thread; the bytes are the users' business.
// Source     Python's multiprocessing.shared_memory.SharedMemory. There a name is the whole
//            machine's, and whoever is tracked unlinks it at exit, others' segments as well; here
//            it is the program's own, and no `track` is needed. There only unlink() ends it; here
//            the creator's last copy does, so keep one until the receiver has opened it.
class SharedMemory {
 public:
  // All bytes are zero. Without a name it gets one that is unique. Size: 1 and up.
  static SharedMemory create(int64_t size, std::optional<std::string_view> name = std::nullopt);
  static SharedMemory open(std::string_view name);
  static SharedMemory open(const Handle& handle);

  const std::string& name() const { return name_; }
  std::span<std::byte> buf() const;
  uint64_t size() const { return size_; }
  // This object lets go. Twice is once.
  void close() { file_ = {}; }
  // Nobody can open it from now on. Invalid unless called by the process that created it; Closed
  // the second time.
  void unlink();
  const Handle& handle() const { return handle_; }

 private:
  explicit SharedMemory(SessionFile file);

  SessionFile file_;
  Handle handle_;
  std::string name_;
  uint64_t size_;
};

}  // namespace towpath
