#include "towpath/channel/item_slots.h"

#include <algorithm>
#include <bit>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr uint64_t kSmallest = 64;
// Slots of larger classes have pages of their own; smaller ones share a part of the pool.
constexpr uint32_t kLargestSmall = 10;  // 64 KiB
constexpr uint64_t kSmallPart = uint64_t{4} << 30;
constexpr uint64_t kStep = uint64_t{64} << 10;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kMaxCached = uint64_t{64} << 20;
constexpr uint64_t kSweepMillis = 100;

uint64_t room_of(uint32_t size_class) { return kSmallest << size_class; }
uint32_t class_of(uint64_t size) {
  return static_cast<uint32_t>(std::countr_zero(std::bit_ceil(std::max(size, kSmallest)))) - 6;
}
uint64_t pages(uint64_t size) { return (size + kPage - 1) / kPage * kPage; }

uint64_t now_millis() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<Millis>(Clock::now().time_since_epoch()).count());
}

}  // namespace

// Behind a death under the lock.
void ItemSlots::repair() {
  State& s = state_;
  s.used = s.cached = 0;
  s.free.fill(0);
  uint32_t given_back = 0;
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    if (it.life == kEnding) {
      s.done = s.next_done;
      it.life = kFree;
    }
    if (it.life == kGivenBack) ++given_back;
    if (it.life != kFree) {
      s.used += room_of(it.size_class);
    } else {
      it.next_free = s.free[it.size_class];
      s.free[it.size_class] = i + 1;
      if (it.size_class > kLargestSmall) s.cached += it.reserved;
    }
  }
  s.given_back = given_back;
}

std::optional<ItemSlots::Slot> ItemSlots::make(uint32_t size_class) {
  State& s = state_;
  const uint64_t room = room_of(size_class);
  if (s.slots == kMaxSlots) return std::nullopt;
  const uint64_t table_end = (uint64_t{s.slots} + 1) * sizeof(Place);
  if (table_end > s.table_reserved) {
    if (!memory_.reserve(QueueMemory::kTableAt + s.table_reserved, kStep)) return std::nullopt;
    s.table_reserved += kStep;
  }
  const bool small = size_class <= kLargestSmall;
  const uint64_t at = small ? s.small_end : kSmallPart + s.large_end;
  if (at + room > (small ? kSmallPart : QueueMemory::kPoolBytes)) return std::nullopt;
  while (small && at + room > s.small_reserved) {
    if (!memory_.reserve(QueueMemory::kPoolAt + s.small_reserved, kStep)) return std::nullopt;
    s.small_reserved += kStep;
  }
  (small ? s.small_end : s.large_end) += room;
  const Slot slot = s.slots;
  Place& it = place(slot);
  it.at = at;
  it.reserved = 0;
  it.size_class = size_class;
  it.owner = this_process();
  it.life = kWriting;
  s.slots = slot + 1;
  return slot;
}

std::optional<ItemSlots::Slot> ItemSlots::acquire(uint64_t size, From from) {
  State& s = state_;
  const uint32_t size_class = class_of(size);
  const uint64_t room = room_of(size_class);
  std::optional<Slot> slot;
  {
    const ShortLock lock(s.lock, [this] { repair(); });
    if (s.used != 0 && s.used + room > kMaxBytes) return std::nullopt;
    if (const uint32_t first = s.free[size_class]; first != 0) {
      slot = first - 1;
      Place& it = place(*slot);
      it.owner = this_process();
      it.life = kWriting;
      s.free[size_class] = it.next_free;
      if (size_class > kLargestSmall) s.cached -= it.reserved;
    } else if (from == From::kFreeOrNew) {
      slot = make(size_class);
    }
    if (!slot) return std::nullopt;
    s.used += room;
  }
  Place& it = place(*slot);
  it.size = size;
  if (size_class > kLargestSmall && pages(size) > it.reserved) {
    if (!memory_.reserve(QueueMemory::kPoolAt + it.at + it.reserved, pages(size) - it.reserved)) {
      release(*slot);
      return std::nullopt;
    }
    it.reserved = pages(size);
  }
  return slot;
}

char* ItemSlots::bytes(Slot slot) {
  const Place& it = place(slot);
  if (it.at > QueueMemory::kPoolBytes || it.size > QueueMemory::kPoolBytes - it.at) {
    throw Invalid(
        format("the queue's memory is broken at slot {}: a process has written there "
               "what is none of the library's",
               slot));
  }
  return memory_.pool() + it.at;
}
uint64_t ItemSlots::size(Slot slot) { return place(slot).size; }

void ItemSlots::queued(Slot slot) { place(slot).life = kQueued; }
void ItemSlots::not_queued(Slot slot) {
  uint32_t queued = kQueued;
  place(slot).life.compare_exchange_strong(queued, kWriting);
}

void ItemSlots::take(Slot slot, uint64_t order) {
  Place& it = place(slot);
  it.order = order;
  it.owner = this_process();
  it.life = kHeld;
}
void ItemSlots::not_taken(Slot slot) {
  uint32_t held = kHeld;
  place(slot).life.compare_exchange_strong(held, kQueued);
}

bool ItemSlots::held_by_this_process(Slot slot) {
  Place& it = place(slot);
  return it.life == kHeld && it.owner == this_process();
}

bool ItemSlots::written_by_this_process(Slot slot) {
  Place& it = place(slot);
  return it.life == kWriting && it.owner == this_process();
}

// With the lock held.
void ItemSlots::free(Slot slot) {
  State& s = state_;
  Place& it = place(slot);
  s.used -= room_of(it.size_class);
  if (it.size_class > kLargestSmall) {
    if (s.cached + it.reserved > kMaxCached) {
      const uint64_t reserved = it.reserved;
      it.reserved = 0;
      memory_.give_back(QueueMemory::kPoolAt + it.at, reserved);
    }
    s.cached += it.reserved;
  }
  it.next_free = s.free[it.size_class];
  s.free[it.size_class] = slot + 1;
  it.life = kFree;
}

void ItemSlots::release(Slot slot) {
  const ShortLock lock(state_.lock, [this] { repair(); });
  free(slot);
}

bool ItemSlots::finish(Slot slot, uint64_t order) {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  Place& it = place(slot);
  if (it.life != kHeld || it.order != order) return false;
  s.next_done = s.done + 1;
  it.life = kEnding;  // from here on it is done, whatever dies
  s.done = s.next_done;
  free(slot);
  return true;
}

uint64_t ItemSlots::order(Slot slot) { return place(slot).order; }

void ItemSlots::sweep(bool frees_held) {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  const uint64_t now = now_millis();
  if (now - s.swept < kSweepMillis) return;
  s.swept = now;
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    const bool ownable = it.life == kWriting || (frees_held && it.life == kHeld);
    if (ownable && process_ended(it.owner)) free(i);
  }
}

uint32_t ItemSlots::give_back(Holder dead) {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  uint32_t count = 0;
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    if (it.life != kHeld || it.owner != dead) continue;
    it.life = kGivenBack;
    ++count;
  }
  s.given_back += count;
  return count;
}

std::optional<ItemSlots::Slot> ItemSlots::take_given_back() {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  std::optional<Slot> first;
  for (uint32_t i = 0; i < s.slots; ++i) {
    if (place(i).life == kGivenBack && (!first || place(i).order < place(*first).order)) first = i;
  }
  if (!first) {
    s.given_back = 0;
    return first;
  }
  place(*first).owner = this_process();
  place(*first).life = kHeld;
  --s.given_back;
  return first;
}

std::optional<ItemSlots::Slot> ItemSlots::first_held() {
  const ShortLock lock(state_.lock, [this] { repair(); });
  std::optional<Slot> first;
  for (uint32_t i = 0; i < state_.slots; ++i) {
    if (place(i).life == kHeld && (!first || place(i).order < place(*first).order)) first = i;
  }
  return first;
}

}  // namespace towpath
