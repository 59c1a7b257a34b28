#pragma once
#include <cstdint>
#include <list>
#include <vector>

#include "towpath/memory/shared_memory.h"
#include "towpath/shared/shareable_list.h"

namespace towpath {

// Shared memory whose life is this object's: its end unlinks all that was made through it.
//
// Copies     what it hands out are copies: they stay usable, and nobody can open them any more.
// Deaths     what a killed process leaves goes with the program's session, as all shared memory.
// Threads    one object, one thread.
// Source     Python's multiprocessing.managers.SharedMemoryManager, which starts a process for it.
class SharedMemoryManager {
 public:
  SharedMemoryManager() = default;
  SharedMemoryManager(SharedMemoryManager&&) noexcept = default;
  SharedMemoryManager& operator=(SharedMemoryManager&& other) noexcept {
    SharedMemoryManager taken(std::move(other));  // then ends what stood here
    std::swap(made_, taken.made_);
    return *this;
  }
  ~SharedMemoryManager() { shutdown(); }

  SharedMemory shared_memory(int64_t size);
  ShareableList shareable_list(const std::vector<Object>& items);
  // Unlinks all. It can be used again, and shut down again.
  void shutdown() noexcept;

 private:
  std::list<SharedMemory> made_;
};

}  // namespace towpath
