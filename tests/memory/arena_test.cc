#include "towpath/memory/arena.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "tests/memory/refused_pages.h"
#include "towpath/base/error.h"
#include "towpath/memory/arena_view.h"

using namespace towpath;

namespace {

constexpr uint64_t kKiB = 1024, kMiB = 1024 * 1024;

// Bytes of pages that the kernel holds for a file.
uint64_t pages_of(int fd) {
  struct stat status {};
  REQUIRE(fstat(fd, &status) == 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

bool overlap(const Block& a, const Block& b) {
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

}  // namespace

TEST_CASE("Arena: a block has the size of its class and starts inside the file") {
  Arena arena(4 * kMiB);
  CHECK(arena.allocate(1)->size == 4 * kKiB);
  CHECK(arena.allocate(4096)->size == 4 * kKiB);
  CHECK(arena.allocate(4097)->size == 8 * kKiB);
  CHECK(arena.allocate(9 * kKiB)->size == 12 * kKiB);
  CHECK(arena.allocate(0)->size == 4 * kKiB);
  CHECK(arena.allocate(kMiB)->size == kMiB);
  CHECK(arena.allocate(kMiB + 1)->size == kMiB + 512 * kKiB);
  CHECK(arena.used() ==
        4 * kKiB + 4 * kKiB + 8 * kKiB + 12 * kKiB + 4 * kKiB + 2 * kMiB + 512 * kKiB);
}

TEST_CASE("Arena: no block is given when it would pass the limit") {
  Arena arena(2 * kMiB);
  const auto first = arena.allocate(kMiB), second = arena.allocate(kMiB);
  REQUIRE(first);
  REQUIRE(second);
  CHECK_FALSE(arena.allocate(1));
  arena.free(*first);
  CHECK(arena.allocate(1));
  CHECK_FALSE(arena.allocate(kMiB));
}

TEST_CASE("Arena: more than the limit is never given and all of it is") {
  Arena arena(3 * kMiB + 5000);
  CHECK_FALSE(arena.allocate(3 * kMiB + 5000));
  const auto all = arena.allocate(arena.limit());
  REQUIRE(all);
  CHECK(all->size == 3 * kMiB + 4096);
}

TEST_CASE("Arena: the block freed last is handed out first and keeps its pages") {
  Arena arena(8 * kMiB);
  const auto a = arena.allocate(kMiB), b = arena.allocate(kMiB);
  arena.free(*a);
  arena.free(*b);
  CHECK(arena.reserved() == 2 * kMiB);
  CHECK(pages_of(arena.fd()) == 2 * kMiB);
  CHECK(*arena.allocate(kMiB) == *b);
  CHECK(*arena.allocate(kMiB) == *a);
  CHECK(pages_of(arena.fd()) == 2 * kMiB);
}

TEST_CASE("Arena: pages of free blocks go to another size class when the limit asks for it") {
  Arena arena(4 * kMiB);
  std::vector<Block> small;
  while (const auto block = arena.allocate(4 * kKiB)) small.push_back(*block);
  CHECK(small.size() == 1024);
  for (const Block& block : small) arena.free(block);
  CHECK(arena.reserved() == 4 * kMiB);
  CHECK(arena.used() == 0);
  REQUIRE(arena.allocate(3 * kMiB));
  CHECK(arena.reserved() <= arena.limit());
  CHECK(pages_of(arena.fd()) <= arena.limit());
  CHECK(arena.peak() == 4 * kMiB);
}

TEST_CASE("Arena: a block that is not handed out can't be freed") {
  Arena arena(4 * kMiB);
  const Block block = *arena.allocate(8 * kKiB);
  CHECK_THROWS_AS(arena.free({block.offset, 4 * kKiB}), Bug);
  CHECK_THROWS_AS(arena.free({block.offset + 4096, block.size}), Bug);
  CHECK_THROWS_AS(arena.free({block.offset + block.size, block.size}), Bug);
  CHECK_THROWS_AS(arena.free({uint64_t{1} << 60, block.size}), Bug);
  arena.free(block);
  CHECK_THROWS_AS(arena.free(block), Bug);
}

TEST_CASE("Arena: sizes out of range are refused") {
  CHECK_THROWS_AS(Arena(0), Invalid);
  CHECK_THROWS_AS(Arena(4095), Invalid);
  CHECK_THROWS_AS(Arena((uint64_t{1} << 40) + 4096), Invalid);
  CHECK(Arena(4096).allocate(4096).has_value());
  CHECK(Arena(uint64_t{1} << 40).allocate(4096).has_value());
}

TEST_CASE("Arena: random work never overlaps and never passes the limit") {
  const uint64_t limit =
      GENERATE(uint64_t{1000 * 1024}, uint64_t{3 * 1024 * 1024}, uint64_t{24 << 20});
  Arena arena(limit);
  std::mt19937 random(7);
  std::map<uint64_t, Block> held;
  uint64_t used = 0;
  int given = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 5 < 3) {
      const uint64_t bytes = uint64_t{1} << (random() % 24);
      const auto block = arena.allocate(bytes + random() % bytes);
      if (!block) continue;
      ++given;
      const auto [at, fresh] = held.emplace(block->offset, *block);
      REQUIRE(fresh);
      if (at != held.begin()) REQUIRE_FALSE(overlap(std::prev(at)->second, *block));
      if (std::next(at) != held.end()) REQUIRE_FALSE(overlap(std::next(at)->second, *block));
      // What a window view rests on.
      if (block->size <= kArenaWindow) {
        REQUIRE(block->offset / kArenaWindow == (block->offset + block->size - 1) / kArenaWindow);
      } else {
        REQUIRE(block->offset % kArenaWindow == 0);
      }
      used += block->size;
    } else if (!held.empty()) {
      auto at =
          held.lower_bound(std::uniform_int_distribution<uint64_t>(0, uint64_t{1} << 32)(random));
      if (at == held.end()) at = held.begin();
      used -= at->second.size;
      arena.free(at->second);
      held.erase(at);
    }
    REQUIRE(arena.used() == used);
    REQUIRE(arena.reserved() <= arena.limit());
    if (step % 64 == 0) REQUIRE(pages_of(arena.fd()) == arena.reserved());
  }
  CHECK(given > 1000);
  CHECK(arena.peak() <= arena.limit());
}

TEST_CASE("Arena: a lower limit gives back free pages and is met as blocks are freed") {
  Arena arena(8 * kMiB);
  std::vector<Block> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(*arena.allocate(1 * kMiB));
  arena.free(blocks[0]);
  arena.free(blocks[1]);
  arena.set_limit(4 * kMiB);
  CHECK(arena.used() == 6 * kMiB);
  CHECK(arena.reserved() == 6 * kMiB);  // the free ones went
  CHECK_FALSE(arena.allocate(4096));
  for (int i = 2; i < 5; ++i) {
    arena.free(blocks[static_cast<size_t>(i)]);
    CHECK(arena.reserved() == std::max<uint64_t>(4 * kMiB, arena.used()));
  }
  CHECK(arena.used() == 3 * kMiB);
  CHECK(arena.allocate(1 * kMiB));
  CHECK_FALSE(arena.allocate(4096));
  arena.set_limit(8 * kMiB);
  CHECK(arena.allocate(4 * kMiB));
}

TEST_CASE("Arena: what the machine refuses is had later and nothing is lost by the refusal") {
  Arena arena(8 * kMiB);
  ShortMachine machine(static_cast<int64_t>(2 * kMiB));
  const Block first = *arena.allocate(kMiB), second = *arena.allocate(kMiB);
  CHECK_FALSE(arena.allocate(kMiB));
  CHECK_FALSE(arena.allocate(4 * kKiB));
  CHECK(ShortMachine::refusals() >= 2);
  CHECK(arena.refused());
  CHECK(arena.used() == 2 * kMiB);
  CHECK(arena.reserved() == 2 * kMiB);
  CHECK(pages_of(arena.fd()) == 2 * kMiB);
  machine.set(static_cast<int64_t>(kMiB));
  const Block third = *arena.allocate(kMiB);
  CHECK_FALSE(overlap(third, first));
  CHECK_FALSE(overlap(third, second));
  CHECK_FALSE(arena.refused());
  CHECK(arena.used() == 3 * kMiB);
  for (const Block& block : {first, second, third}) arena.free(block);
  CHECK(arena.used() == 0);
}

TEST_CASE("Arena: before it takes a refusal it gives back what it holds idle") {
  Arena arena(8 * kMiB);
  ShortMachine machine(static_cast<int64_t>(2 * kMiB));
  std::vector<Block> small;
  for (int i = 0; i < 512; ++i) small.push_back(*arena.allocate(4 * kKiB));
  CHECK_FALSE(arena.allocate(kMiB));  // nothing is idle yet
  for (size_t i = 0; i < 300; ++i) arena.free(small[i]);
  // The limit would allow another megabyte, the machine does not: idle pages pay for it.
  const std::optional<Block> large = arena.allocate(kMiB);
  REQUIRE(large);
  CHECK(arena.used() == kMiB + 212 * 4 * kKiB);
  CHECK(pages_of(arena.fd()) <= 2 * kMiB);
  CHECK_FALSE(arena.allocate(kMiB));
}
