#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/base/handle.h"
#include "towpath/base/unique_fd.h"

namespace towpath {

// The memory of a queue's items: a sparse file beside the queue's own in the session's folder,
// mapped where it is used. Only what was reserved may be touched: writing never meets SIGBUS.
//
// Lifetime   the process that made it removes the file with this object; others only unmap.
// Fork       a child has the same memory at the same address.
// Threads    any.
class QueueMemory {
 public:
  static constexpr uint64_t kMiB = uint64_t{1} << 20;
  // Three parts, by how they are used. Sizes are of addresses, not of memory.
  static constexpr uint64_t kStreamBytes = 1024 * kMiB;
  static constexpr uint64_t kTableBytes = 512 * kMiB;
  static constexpr uint64_t kPoolBytes = uint64_t{16} * 1024 * kMiB;
  static constexpr uint64_t kStreamAt = 0;
  static constexpr uint64_t kTableAt = kStreamAt + kStreamBytes;
  static constexpr uint64_t kPoolAt = kTableAt + kTableBytes;

  static QueueMemory create(const Handle& queue) { return {queue, true}; }
  // Closed: the queue has ended.
  static QueueMemory open(const Handle& queue) { return {queue, false}; }
  QueueMemory(const QueueMemory&) = delete;
  ~QueueMemory();

  char* stream() { return part(stream_, kStreamAt, kStreamBytes); }
  char* table() { return part(table_, kTableAt, kTableBytes); }
  char* pool() { return part(pool_, kPoolAt, kPoolBytes); }

  // Makes sure of memory for a range. False: /dev/shm has no room for it.
  bool reserve(uint64_t at, uint64_t size);
  // Why the last reserve() was false, and the way out; empty: it was true.
  std::string lack() const;
  // Its memory is the system's again; it must be reserved anew.
  void give_back(uint64_t at, uint64_t size) noexcept;

 private:
  QueueMemory(const Handle& queue, bool create);
  char* part(std::atomic<char*>& mapped, uint64_t at, uint64_t size) {
    char* it = mapped.load(std::memory_order_acquire);
    return it != nullptr ? it : map(mapped, at, size);
  }
  char* map(std::atomic<char*>& mapped, uint64_t at, uint64_t size);

  std::string path_;
  pid_t maker_ = 0;  // 0: another process
  UniqueFd fd_;
  std::atomic<uint64_t> lacks_{0};  // bytes
  std::atomic<char*> stream_{nullptr};
  std::atomic<char*> table_{nullptr};
  std::atomic<char*> pool_{nullptr};
};

}  // namespace towpath
