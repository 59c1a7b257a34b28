#include "towpath/worker/open_batch.h"

#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "towpath/base/error.h"

namespace towpath {

Batch open_batch(const BatchName& name, const ArenaView& arena) {
  std::vector<std::span<const char>> blocks;
  std::shared_ptr<const void> keep;
  if (name.blocks.empty()) {
    // Aligned as a block is, so that columns can be read in place.
    constexpr std::align_val_t kAlignment{64};
    std::shared_ptr<char> copy(
        static_cast<char*>(::operator new(name.image.size(), kAlignment)),
        [](char* memory) { ::operator delete (memory, std::align_val_t{64}); });
    std::memcpy(copy.get(), name.image.data(), name.image.size());
    blocks.emplace_back(copy.get(), name.image.size());
    keep = std::move(copy);
  } else {
    for (const Block& block : name.blocks) blocks.push_back(arena.read(block));
    if (name.size > blocks.front().size()) throw Invalid("a batch is larger than its block");
    blocks.front() = blocks.front().first(name.size);
  }
  return Batch::open(blocks, name.head_at, std::move(keep));
}

}  // namespace towpath
