#include "towpath/memory/arena_view.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

// Where addresses are limited, with what a run can do about it.
Mapping map_all(const SealedMemory& memory) {
  try {
    return {memory.fd(), 0, memory.size(), Mapping::Access::kRead};
  } catch (const SystemError& error) {
    rlimit limit{};
    const bool limited = error.error_number() == ENOMEM && ::getrlimit(RLIMIT_AS, &limit) == 0 &&
                         limit.rlim_cur != RLIM_INFINITY;
    if (!limited) throw;
    throw Invalid(format(
        "shared memory takes {} of addresses, far more than it fills, and a process may have "
        "{}: raise the limit (ulimit -v unlimited), or give the run less memory (memory: in "
        "the YAML, or --memory)",
        show_bytes(memory.size()), show_bytes(limit.rlim_cur)));
  }
}

}  // namespace

ArenaView::ArenaView(UniqueFd arena, size_t windows)
    : memory_(SealedMemory::adopt(std::move(arena))),
      all_(map_all(memory_)),
      most_windows_(std::max<size_t>(1, windows)) {}

void ArenaView::check(const Block& block) const {
  if (block.offset > memory_.size() || block.size > memory_.size() - block.offset) {
    throw Invalid(format("a block of {} bytes at {} lies outside the arena of {} bytes", block.size,
                         block.offset, memory_.size()));
  }
}

std::span<const char> ArenaView::read(const Block& block) const {
  check(block);
  return all_.bytes().subspan(block.offset, block.size);
}

std::span<char> ArenaView::write(const Block& block) {
  check(block);
  if (block.size == 0) return {};
  const uint64_t start = block.offset / kArenaWindow * kArenaWindow;
  const uint64_t within = block.offset - start;
  // A window ends where the file does; a block that is larger than one, or crosses one, has its
  // own.
  const uint64_t size =
      std::min(std::max(kArenaWindow, within + block.size), memory_.size() - start);
  auto found = at_.find(start);
  if (found != at_.end() && found->second->mapping.bytes().size() < size) {
    windows_.erase(found->second);
    at_.erase(found);
    found = at_.end();
  }
  if (found == at_.end()) {
    if (windows_.size() >= most_windows_) {
      at_.erase(windows_.back().offset);
      windows_.pop_back();
    }
    windows_.push_front({start, Mapping(memory_.fd(), start, size, Mapping::Access::kWrite)});
    found = at_.emplace(start, windows_.begin()).first;
  } else if (found->second != windows_.begin()) {
    windows_.splice(windows_.begin(), windows_, found->second);
  }
  return found->second->mapping.writable().subspan(within, block.size);
}

void ArenaView::unmap_windows() {
  at_.clear();
  windows_.clear();
}

}  // namespace towpath
