#include "towpath/shared/shared_memory_manager.h"

#include "towpath/base/error.h"
#include "towpath/base/log.h"

namespace towpath {

SharedMemory SharedMemoryManager::shared_memory(int64_t size) {
  return made_.emplace_back(SharedMemory::create(size));
}

ShareableList SharedMemoryManager::shareable_list(const std::vector<Object>& items) {
  ShareableList list(items);
  made_.push_back(list.shm());
  return list;
}

void SharedMemoryManager::shutdown() noexcept {
  for (SharedMemory& memory : made_) {
    try {
      memory.unlink();
    } catch (const Closed&) {
      // Its user has unlinked it.
    } catch (const Invalid&) {
      // A child of fork has this copy: the memory is its parent's.
    } catch (const Error& error) {
      log(Level::kWarning, error.what());
    }
  }
  made_.clear();
}

}  // namespace towpath
