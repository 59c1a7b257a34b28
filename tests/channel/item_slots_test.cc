// What a queue's slots do with memory, without a queue.
#include "towpath/channel/item_slots.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "towpath/memory/session_file.h"
#include "towpath/sync/holder.h"

using namespace towpath;

namespace {

struct Room {
  SessionFile file = SessionFile::create("slots", sizeof(ItemSlots::State));
  QueueMemory memory = QueueMemory::create(file.handle());
  ItemSlots slots{file.as<ItemSlots::State>(), memory};

  // Until there is no more.
  std::vector<ItemSlots::Slot> fill(uint64_t size) {
    std::vector<ItemSlots::Slot> all;
    while (const auto slot = slots.acquire(size, ItemSlots::From::kFreeOrNew)) all.push_back(*slot);
    return all;
  }
};

constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

TEST_CASE("ItemSlots: what small items had is room for larger ones") {
  Room room;
  std::vector<uint64_t> sizes{65'536, 32'768, 16'384, 8'192, 4'096};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  sizes.insert(sizes.begin(), 64);  // eight million
#endif
  for (const uint64_t size : sizes) {
    CAPTURE(size);
    const auto all = room.fill(size);
    // All there may be, but for the place of a large one.
    CHECK(all.size() + 1 >= std::min<uint64_t>(ItemSlots::kMaxBytes / size, 8'388'608));
    for (const auto slot : all) room.slots.release(slot);
    const auto large = room.slots.acquire(100 * kMiB, ItemSlots::From::kFreeOrNew);
    REQUIRE(large);
    room.slots.release(*large);
  }
}

TEST_CASE("ItemSlots: large items count as what they take") {
  Room room;
  const auto all = room.fill(33 * kMiB);
  CHECK(all.size() == 31);
  for (const auto slot : all) room.slots.release(slot);
  CHECK(room.slots.acquire(ItemSlots::kMaxItem, ItemSlots::From::kFreeOrNew));
}

TEST_CASE("ItemSlots: those given back are taken in their order") {
  Room room;
  constexpr uint32_t kCount = 1'000;
  for (uint32_t i = 0; i < kCount; ++i) {
    const auto slot = room.slots.acquire(1, ItemSlots::From::kFreeOrNew);
    REQUIRE(slot);
    room.slots.queued(*slot);
    room.slots.take({*slot, i * 7'919 % kCount});
  }
  CHECK(room.slots.held().size() == kCount);
  CHECK(room.slots.give_back(this_process()) == kCount);
  CHECK(room.slots.given_back() == kCount);
  bool in_order = true;
  for (uint64_t i = 0; i < kCount; ++i) {
    const auto slot = room.slots.take_given_back();
    REQUIRE(slot);
    in_order = in_order && room.slots.order(*slot) == i && room.slots.finish({*slot, i});
  }
  CHECK(in_order);
  CHECK_FALSE(room.slots.take_given_back());
  CHECK(room.slots.done() == kCount);
}
