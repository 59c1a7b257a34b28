#include "towpath/memory/arena.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr uint64_t kPage = 4096;

// 4, 8, 12, 16, 24, 32, 48, … KiB below the limit, then the limit itself.
std::vector<uint64_t> class_sizes(uint64_t limit) {
  std::vector<uint64_t> sizes;
  for (uint64_t size = kPage; size < limit; size *= 2) {
    sizes.push_back(size);
    const uint64_t half_way = size + size / 2;
    if (half_way % kPage == 0 && half_way < limit) sizes.push_back(half_way);
  }
  sizes.push_back(limit);
  return sizes;
}

uint64_t windows(uint64_t bytes) { return (bytes + kArenaWindow - 1) / kArenaWindow; }

}  // namespace

uint64_t Arena::SizeClass::offset_of(uint64_t slot) const {
  if (per_window == 0) return base + slot * windows(size) * kArenaWindow;
  return base + slot / per_window * kArenaWindow + slot % per_window * size;
}

uint64_t Arena::SizeClass::slot_at(uint64_t offset) const {
  const uint64_t window = (offset - base) / kArenaWindow;
  if (per_window == 0) return window / windows(size);
  return window * per_window + (offset - base) % kArenaWindow / size;
}

Arena::Arena(uint64_t limit_bytes) : limit_(limit_bytes / kPage * kPage), most_limit_(limit_) {
  if (limit_ < kPage || limit_ > kMaxArenaBytes) {
    throw Invalid(format("an arena of {} bytes; allowed 4 KiB to 1 TiB", limit_bytes));
  }
  uint64_t most_windows = 0;
  for (const uint64_t size : class_sizes(limit_)) {
    SizeClass added;
    added.size = size;
    const uint64_t slots = limit_ / size;
    if (size <= kArenaWindow) {
      added.per_window = kArenaWindow / size;
      most_windows = std::max(most_windows, (slots + added.per_window - 1) / added.per_window);
    } else {
      most_windows = std::max(most_windows, slots * windows(size));
    }
    classes_.push_back(std::move(added));
  }
  stride_ = most_windows * kArenaWindow;
  for (size_t i = 0; i < classes_.size(); ++i) classes_[i].base = i * stride_;
  memory_ = SealedMemory::create("towpath-arena", classes_.size() * stride_);
}

void Arena::set_limit(uint64_t limit_bytes) {
  limit_ = std::clamp(limit_bytes / kPage * kPage, kPage, most_limit_);
  if (reserved() > limit_) give_back(reserved() - limit_);
}

size_t Arena::class_for(uint64_t bytes) const {
  const auto found =
      std::lower_bound(classes_.begin(), classes_.end(), bytes,
                       [](const SizeClass& each, uint64_t wanted) { return each.size < wanted; });
  return static_cast<size_t>(found - classes_.begin());
}

uint64_t Arena::size_for(uint64_t bytes) const {
  return bytes > most_limit_ ? bytes : classes_[class_for(bytes)].size;
}

std::optional<Block> Arena::allocate(uint64_t bytes) {
  refused_ = false;
  if (bytes > limit_) return std::nullopt;
  SizeClass& from = classes_[class_for(bytes)];
  if (!from.free.empty()) {
    const uint32_t slot = from.free.back();
    from.free.pop_back();
    idle_ -= from.size;
    return hand_out(from, slot);
  }
  if (used_ + from.size > limit_) return std::nullopt;
  if (reserved() + from.size > limit_) give_back(reserved() + from.size - limit_);
  const bool fresh = from.bare.empty();
  const auto slot = fresh ? static_cast<uint32_t>(from.slots.size()) : from.bare.back();
  const uint64_t offset = from.offset_of(slot);
  if (!reserve(offset, from.size)) {
    // The machine is short of memory, not we: what we hold idle may be what is missing.
    const bool had_idle = idle_ > 0;
    give_back(from.size);
    refused_ = !had_idle || !reserve(offset, from.size);
    if (refused_) return std::nullopt;
  }
  if (fresh) {
    from.slots.push_back(Slot::kBare);
  } else {
    from.bare.pop_back();
  }
  return hand_out(from, slot);
}

Block Arena::hand_out(SizeClass& from, uint32_t slot) {
  from.slots[slot] = Slot::kUsed;
  used_ += from.size;
  peak_ = std::max(peak_, used_);
  return {from.offset_of(slot), from.size};
}

void Arena::free(const Block& block) {
  const uint64_t number = block.offset / stride_;
  expect(number < classes_.size() && classes_[number].size == block.size, "free of no block");
  SizeClass& to = classes_[number];
  const uint64_t slot = to.slot_at(block.offset);
  expect(slot < to.slots.size() && to.offset_of(slot) == block.offset, "free of no block");
  expect(to.slots[slot] == Slot::kUsed, "free of a block that is free already");
  to.slots[slot] = Slot::kFree;
  to.free.push_back(static_cast<uint32_t>(slot));
  used_ -= to.size;
  idle_ += to.size;
  if (reserved() > limit_) give_back(reserved() - limit_);
}

bool Arena::reserve(uint64_t offset, uint64_t size) {
  while (::fallocate(fd(), 0, static_cast<off_t>(offset), static_cast<off_t>(size)) != 0) {
    if (errno == ENOSPC || errno == ENOMEM) return false;
    if (errno != EINTR) throw_errno(format("fallocate(arena, {}, {})", offset, size));
  }
  return true;
}

void Arena::give_back(uint64_t bytes) {
  for (uint64_t given = 0; given < bytes && idle_ > 0;) {
    // From the class that holds most, and there the block that lay free longest.
    SizeClass& from = *std::max_element(classes_.begin(), classes_.end(),
                                        [](const SizeClass& a, const SizeClass& b) {
                                          return a.free.size() * a.size < b.free.size() * b.size;
                                        });
    const uint32_t slot = from.free.front();
    const uint64_t offset = from.offset_of(slot);
    if (::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(from.size)) != 0) {
      if (errno == EINTR) continue;
      throw_errno(format("fallocate(arena, PUNCH_HOLE, {}, {})", offset, from.size));
    }
    from.free.pop_front();
    from.slots[slot] = Slot::kBare;
    from.bare.push_back(slot);
    idle_ -= from.size;
    given += from.size;
  }
}

}  // namespace towpath
