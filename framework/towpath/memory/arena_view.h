#pragma once
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

#include "towpath/base/unique_fd.h"
#include "towpath/memory/block.h"
#include "towpath/memory/mapping.h"
#include "towpath/memory/sealed_memory.h"

namespace towpath {

// An arena as a worker sees it: all of it mapped to read, once; granted blocks mapped to write.
//
// Windows    small blocks are written through windows of kArenaWindow, larger ones through one of
//            their own. They stay mapped, because the same blocks come again: mapping anew costs
//            130 to 540 µs a MiB, by the page faults. At most `windows` are kept; the one unused
//            longest goes first.
// Errors     Invalid for a block outside the arena, and for a descriptor that is no arena.
// Threads    one; what read() returned may be read by any.
class ArenaView {
 public:
  explicit ArenaView(UniqueFd arena, size_t windows = 64);

  // Valid as long as the view. The bytes are as stable as the lease under which they are read.
  std::span<const char> read(const Block& block) const;
  // Valid until `windows` others were written since.
  std::span<char> write(const Block& block);

  // Unmaps all that was mapped to write: whoever still writes is caught by SIGSEGV.
  void unmap_windows();
  size_t windows() const { return windows_.size(); }

 private:
  struct Window {
    uint64_t offset;
    Mapping mapping;
  };
  void check(const Block& block) const;

  SealedMemory memory_;
  Mapping all_;
  size_t most_windows_;
  std::list<Window> windows_;                                     // last used first
  std::unordered_map<uint64_t, std::list<Window>::iterator> at_;  // by offset
};

}  // namespace towpath
