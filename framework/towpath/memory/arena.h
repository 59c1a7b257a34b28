#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "towpath/memory/block.h"
#include "towpath/memory/sealed_memory.h"

namespace towpath {

// The most that an arena may be.
inline constexpr uint64_t kMaxArenaBytes = uint64_t{1} << 40;

// The shared memory in which batches lie, as its owner sees it: one sparse memfd, cut into blocks.
//
// Limit      pages are reserved before a block is handed out, so that writing never meets SIGBUS;
//            all reserved pages together never pass the limit. What can't be had now is nullopt:
//            back-pressure. Below what is in use already, a new limit is met as blocks are freed.
// Recycling  freed blocks keep their pages and are handed out again, the last freed first. Their
//            pages go back only when an allocation of another size would pass the limit.
// Space      each size class has a range of the file to itself, as large as all of the limit in
//            blocks of that size: contiguous space never runs out, and bookkeeping is O(1).
// Threads    one. Only the owner allocates; there is no lock in the arena.
// Processes  pass fd(); a worker opens it as ArenaView.
class Arena {
 public:
  // Invalid below one page or above kMaxArenaBytes.
  explicit Arena(uint64_t limit_bytes);

  // A block of at least `bytes`: its size is that of its class (4 KiB and up: powers of two, and
  // half-way between them). Its bytes are whatever the last user left. Never succeeds for more than
  // limit().
  std::optional<Block> allocate(uint64_t bytes);
  // Bug when the block isn't one that is handed out.
  void free(const Block& block);

  // At least one page, at most what the arena was made with. Gives back free pages that pass it.
  void set_limit(uint64_t limit_bytes);
  // Of a block of `bytes`, by its class; `bytes` itself when the arena never has so much.
  uint64_t size_for(uint64_t bytes) const;

  uint64_t limit() const { return limit_; }
  uint64_t reserved() const { return used_ + idle_; }  // bytes of pages held, in use or free
  uint64_t used() const { return used_; }              // bytes of blocks handed out
  uint64_t peak() const { return peak_; }              // the most that used() has been
  // The last allocation found no pages: the machine had none, though the limit would have let it.
  bool refused() const { return refused_; }
  int fd() const { return memory_.fd(); }

 private:
  enum class Slot : uint8_t { kUsed, kFree, kBare };  // free: has its pages; bare: has none
  struct SizeClass {
    uint64_t size = 0;
    uint64_t base = 0;
    uint64_t per_window = 0;    // slots in one kArenaWindow; 0 for classes that are larger
    std::vector<Slot> slots;    // those cut so far
    std::deque<uint32_t> free;  // last freed at the back
    std::vector<uint32_t> bare;
    uint64_t offset_of(uint64_t slot) const;
    uint64_t slot_at(uint64_t offset) const;
  };

  size_t class_for(uint64_t bytes) const;
  bool reserve(uint64_t offset, uint64_t size);
  // Gives back the pages of free blocks, at least `bytes` in all if there are so many.
  void give_back(uint64_t bytes);
  Block hand_out(SizeClass& from, uint32_t slot);

  uint64_t limit_, most_limit_;
  uint64_t stride_;  // from the base of one class to the next
  std::vector<SizeClass> classes_;
  SealedMemory memory_;
  uint64_t used_ = 0;
  uint64_t idle_ = 0;  // bytes of free blocks that have their pages
  uint64_t peak_ = 0;
  bool refused_ = false;
};

}  // namespace towpath
