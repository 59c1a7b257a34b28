#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/memory/shared_memory.h"
#include "towpath/message/object.h"

namespace towpath {

// A list of so many items in shared memory: nil, bool, int, float, string, binary. A name:
// copyable (a copy is the same list), sendable; ends with the last copy in the process that made
// it.
//
// Size       fixed, and the room of each item too: what an int needs, or what the first string or
//            binary there takes, rounded up to 8 bytes. Any item that has room may be put there.
// Whole      an item is read whole, as it was before or behind a set(), and whoever is killed at
//            whatever instant leaves it so. What concerns several items needs a Lock beside it.
// Errors     Invalid: no such index, an item with no room, or of another kind. Receiving or opening
//            one that is gone: Closed; memory that is none: Invalid.
// Threads    any.
// Source     Python's multiprocessing.shared_memory.ShareableList. There another process can see
//            half an item, and zero bytes at the end of a string are lost.
class ShareableList {
 public:
  // Without a name it gets one that is unique.
  explicit ShareableList(const std::vector<Object>& items,
                         std::optional<std::string_view> name = std::nullopt);
  static ShareableList open(std::string_view name);
  static ShareableList open(const Handle& handle);

  uint64_t size() const { return count_; }
  // From 0, or from the end: -1 is the last.
  Object get(int64_t index) const;
  void set(int64_t index, const Object& item);
  std::vector<Object> values() const;
  // Bytes that an item there may have.
  uint64_t room(int64_t index) const;

  // Items that are equal; an int is never equal to a float.
  uint64_t count(const Object& item) const;
  // The first that is equal. Invalid: none.
  uint64_t index(const Object& item) const;
  bool contains(const Object& item) const { return find(item).has_value(); }

  // The memory in which it lies: its name, close, unlink.
  SharedMemory& shm() { return memory_; }
  const SharedMemory& shm() const { return memory_; }
  const Handle& handle() const { return memory_.handle(); }

 private:
  struct Head;
  struct Slot;
  class Locked;
  explicit ShareableList(SharedMemory memory);
  std::optional<uint64_t> find(const Object& item) const;
  Head& head() const;
  uint64_t checked(int64_t index) const;
  Slot& slot(uint64_t index) const;
  Object read(uint64_t index) const;
  void write(uint64_t index, const Object& item);

  SharedMemory memory_;
  uint64_t count_ = 0;
};

}  // namespace towpath
