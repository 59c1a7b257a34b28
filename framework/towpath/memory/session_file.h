#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "towpath/base/handle.h"

namespace towpath {

// Memory that the processes of a program share by name: a file in the session's folder, mapped.
// Copies name the same memory. What a Lock, a Value or SharedMemory lies in.
//
// Space      reserved when it is made: writing never meets SIGBUS. No room in /dev/shm: Full.
// Lifetime   the process that made it unlinks it when its last copy there ends (or at unlink());
//            others only unmap. Who has it mapped keeps the memory; nobody can open it any more. A
//            maker that was killed leaves it to the session's end.
// Fork       a child has the same memory under the same address; it is not the maker.
// Once       a process maps the same memory once, however often it opens it: two addresses for one
//            atomic would confuse the eye, and sanitizers.
// Errors     open: Closed, when it is gone; Invalid, when it is of another kind. Both name it.
// Threads    any may copy, open, destroy. The bytes are the owner's business.
class SessionFile {
 public:
  SessionFile() = default;  // none
  // A new one named KIND-PID-NUMBER; `size` bytes, all zero.
  static SessionFile create(std::string_view kind, uint64_t size);
  // KIND-NAME; Invalid when it exists.
  static SessionFile create_named(std::string_view kind, std::string_view name, uint64_t size);
  static SessionFile open(std::string_view kind, const Handle& handle);
  // Of this program's session.
  static SessionFile open_named(std::string_view kind, std::string_view name);

  explicit operator bool() const { return mapped_ != nullptr; }
  std::span<std::byte> bytes() const;
  const Handle& handle() const;
  // The handle's name without its kind.
  std::string_view name() const;
  // Invalid in another process than the maker; Closed the second time.
  void unlink();

  // The memory as one T, which zero bytes are. Invalid when the file has another size.
  template <class T>
  T& as() const {
    static_assert(std::is_standard_layout_v<T> && std::is_trivially_destructible_v<T>);
    check_size(sizeof(T));
    return *reinterpret_cast<T*>(bytes().data());
  }
  void check_size(uint64_t size) const;

 private:
  struct Mapped;
  struct Registry;
  explicit SessionFile(std::shared_ptr<Mapped> mapped) : mapped_(std::move(mapped)) {}

  std::shared_ptr<Mapped> mapped_;
};

}  // namespace towpath
