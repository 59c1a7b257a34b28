#pragma once
#include <cstdint>

namespace towpath {

// A piece of an arena: where it lies in the arena's file. A name only: it holds nothing, and may be
// sent.
struct Block {
  uint64_t offset = 0;
  uint64_t size = 0;
  bool operator==(const Block&) const = default;
};

// Blocks up to this size never cross a multiple of it, larger ones always start at one: so a worker
// that maps whole windows of this size has each small block in one piece.
inline constexpr uint64_t kArenaWindow = 1 << 20;

}  // namespace towpath
