#include "towpath/channel/item_slots.h"

#include <algorithm>
#include <bit>
#include <utility>

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

// What a slot that is not free takes.
uint64_t ItemSlots::bytes_used(const Place& place) {
  return place.size_class <= kLargestSmall ? room_of(place.size_class)
                                           : std::max(place.reserved, pages(place.size));
}

// ── Lists, with the lock held ──

// Behind a death under the lock.
void ItemSlots::repair() {
  State& s = state_;
  s.used = 0;
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    if (it.life == kEnding || it.life == kEndingRead) {
      s.done = s.next_done;
      it.life = it.life == kEnding ? kFree : kDone;
    }
    if (it.life != kFree) s.used += bytes_used(it);
  }
  list_free();
  list_given_back();
}

void ItemSlots::list_free() {
  State& s = state_;
  s.cached = 0;
  s.free.fill(0);
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    if (it.life != kFree) continue;
    it.next = s.free[it.size_class];
    s.free[it.size_class] = i + 1;
    if (it.size_class > kLargestSmall) s.cached += it.reserved;
  }
}

// In order, and without memory for that: runs[i] is in order, of 2^i slots.
void ItemSlots::list_given_back() {
  State& s = state_;
  std::array<uint32_t, 32> runs{};
  uint32_t count = 0;
  for (uint32_t i = 0; i < s.slots; ++i) {
    if (place(i).life != kGivenBack) continue;
    ++count;
    place(i).next = 0;
    uint32_t list = i + 1;
    size_t run = 0;
    for (; runs[run] != 0; ++run) list = merge(std::exchange(runs[run], 0), list);
    runs[run] = list;
  }
  s.first_given_back = 0;
  for (const uint32_t run : runs) s.first_given_back = merge(run, s.first_given_back);
  s.given_back = count;
}

uint32_t ItemSlots::merge(uint32_t one, uint32_t other) {
  uint32_t first = 0;
  uint32_t* end = &first;
  while (one != 0 && other != 0) {
    uint32_t& least = place(one - 1).order < place(other - 1).order ? one : other;
    *end = least;
    end = &place(least - 1).next;
    least = *end;
  }
  *end = one != 0 ? one : other;
  return first;
}

// ── Room ──

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

// What is free at the end of the table is room for slots of any size. False: there is none.
bool ItemSlots::cut_off_free() {
  State& s = state_;
  const uint32_t before = s.slots;
  while (s.slots > 0 && place(s.slots - 1).life == kFree) {
    Place& it = place(--s.slots);
    // The last one of the table is the last of its part of the pool.
    if (it.size_class <= kLargestSmall) {
      s.small_end = it.at;
    } else {
      give_memory_back(it);
      s.large_end = it.at - kSmallPart;
    }
  }
  if (s.slots == before) return false;
  list_free();
  return true;
}

std::optional<ItemSlots::Slot> ItemSlots::acquire(uint64_t size, From from) {
  State& s = state_;
  const uint32_t size_class = class_of(size);
  const bool small = size_class <= kLargestSmall;
  std::optional<Slot> slot;
  {
    const ShortLock lock(s.lock, [this] { repair(); });
    if (s.used != 0 && s.used + (small ? room_of(size_class) : pages(size)) > kMaxBytes)
      return std::nullopt;
    if (const uint32_t first = s.free[size_class]; first != 0) {
      slot = first - 1;
      Place& it = place(*slot);
      it.owner = this_process();
      it.life = kWriting;
      s.free[size_class] = it.next;
      if (!small) s.cached -= it.reserved;
    } else if (from == From::kFreeOrNew) {
      slot = make(size_class);
      if (!slot && cut_off_free()) slot = make(size_class);
    }
    if (!slot) return std::nullopt;
    place(*slot).size = size;
    s.used += bytes_used(place(*slot));
  }
  Place& it = place(*slot);
  if (small || pages(size) <= it.reserved) return slot;
  const auto reserve = [&] {
    return memory_.reserve(QueueMemory::kPoolAt + it.at + it.reserved, pages(size) - it.reserved);
  };
  try {
    if (reserve()) {
      it.reserved = pages(size);
      return slot;
    }
  } catch (const std::exception&) {
    release(*slot);
    throw;
  }
  release(*slot);
  return std::nullopt;
}

// With the lock held.
void ItemSlots::free(Slot slot) {
  State& s = state_;
  Place& it = place(slot);
  s.used -= bytes_used(it);
  if (it.size_class > kLargestSmall) {
    if (s.cached + it.reserved > kMaxCached) give_memory_back(it);
    s.cached += it.reserved;
  }
  it.next = s.free[it.size_class];
  s.free[it.size_class] = slot + 1;
  it.life = kFree;
}

void ItemSlots::give_memory_back(Place& place) {
  const uint64_t reserved = std::exchange(place.reserved, 0);
  if (reserved != 0) memory_.give_back(QueueMemory::kPoolAt + place.at, reserved);
}

// ── One slot ──

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
uint64_t ItemSlots::order(Slot slot) { return place(slot).order; }

void ItemSlots::queued(Slot slot) { place(slot).life = kQueued; }
void ItemSlots::not_queued(Slot slot) {
  uint32_t queued = kQueued;
  place(slot).life.compare_exchange_strong(queued, kWriting);
}

void ItemSlots::take(const Taken& taken) {
  Place& it = place(taken.slot);
  it.order = taken.order;
  it.owner = this_process();
  it.life = kRead;
}
void ItemSlots::not_taken(Slot slot) {
  uint32_t read = kRead;
  place(slot).life.compare_exchange_strong(read, kQueued);
}

bool ItemSlots::read_by_this_process(Slot slot) {
  Place& it = place(slot);
  const uint32_t life = it.life;
  return (life == kRead || life == kEndingRead || life == kDone) && it.owner == this_process();
}

bool ItemSlots::written_by_this_process(Slot slot) {
  Place& it = place(slot);
  return it.life == kWriting && it.owner == this_process();
}

void ItemSlots::release(Slot slot) {
  const ShortLock lock(state_.lock, [this] { repair(); });
  free(slot);
}

bool ItemSlots::let_go(Slot slot) {
  uint32_t read = kRead;
  if (place(slot).life.compare_exchange_strong(read, kHeld)) return false;
  const ShortLock lock(state_.lock, [this] { repair(); });
  if (place(slot).life != kDone) return false;
  free(slot);
  return true;
}

bool ItemSlots::finish(const Taken& taken) {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  Place& it = place(taken.slot);
  if (!is_taken(it) || it.order != taken.order) return false;
  s.next_done = s.done + 1;
  // From here on it is done, whatever dies. Its reader may let go of it at this moment.
  uint32_t read = kRead;
  if (it.life.compare_exchange_strong(read, kEndingRead)) {
    s.done = s.next_done;
    it.life = kDone;
  } else {
    it.life = kEnding;
    s.done = s.next_done;
    free(taken.slot);
  }
  return true;
}

// ── All of them ──

uint64_t ItemSlots::done() {
  const ShortLock lock(state_.lock, [this] { repair(); });
  return state_.done;
}

void ItemSlots::sweep(bool frees_held) {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  const uint64_t now = now_millis();
  if (now - s.swept < kSweepMillis) return;
  s.swept = now;
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    const bool ownable = it.life == kWriting || it.life == kDone || (frees_held && is_taken(it));
    if (ownable && process_ended(it.owner)) free(i);
  }
}

uint32_t ItemSlots::give_back(Holder dead) {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  uint32_t count = 0;
  for (uint32_t i = 0; i < s.slots; ++i) {
    Place& it = place(i);
    if (!is_taken(it) || it.owner != dead) continue;
    it.life = kGivenBack;
    ++count;
  }
  if (count > 0) list_given_back();
  return count;
}

std::optional<ItemSlots::Slot> ItemSlots::take_given_back() {
  State& s = state_;
  const ShortLock lock(s.lock, [this] { repair(); });
  if (s.first_given_back == 0) return std::nullopt;
  const Slot slot = s.first_given_back - 1;
  require_readable(slot);
  Place& it = place(slot);
  it.owner = this_process();
  it.life = kRead;
  s.first_given_back = it.next;
  --s.given_back;
  return slot;
}

std::vector<ItemSlots::Taken> ItemSlots::held() {
  std::vector<Taken> all;
  {
    const ShortLock lock(state_.lock, [this] { repair(); });
    for (uint32_t i = 0; i < state_.slots; ++i) {
      if (is_taken(place(i))) all.push_back({i, place(i).order});
    }
  }
  std::ranges::sort(all, {}, &Taken::order);
  return all;
}

}  // namespace towpath
