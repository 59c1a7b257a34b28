#include "towpath/memory/arena_view.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/memory/arena.h"

using namespace towpath;

namespace {

constexpr uint64_t kMiB = 1024 * 1024;

UniqueFd duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

// Runs `touch` in a forked child; returns the signal that killed it, or 0.
template <class F>
int signal_of_child(F touch) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn the signal into an exit
    signal(SIGBUS, SIG_DFL);
    touch();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("ArenaView: what one process writes another view reads") {
  Arena arena(16 * kMiB);
  ArenaView writer(duplicate(arena.fd())), reader(duplicate(arena.fd()));
  for (const uint64_t bytes : {uint64_t{100}, uint64_t{300'000}, kMiB, 5 * kMiB}) {
    const Block block = *arena.allocate(bytes);
    const std::span<char> to = writer.write(block);
    REQUIRE(to.size() == block.size);
    std::memset(to.data(), static_cast<int>(bytes % 251 + 1), to.size());
    const std::span<const char> from = reader.read(block);
    REQUIRE(from.size() == block.size);
    CHECK(std::all_of(from.begin(), from.end(),
                      [bytes](char c) { return c == static_cast<char>(bytes % 251 + 1); }));
  }
}

TEST_CASE("ArenaView: a block written again is found in the same place") {
  Arena arena(16 * kMiB);
  ArenaView view(duplicate(arena.fd()));
  const Block a = *arena.allocate(4096), b = *arena.allocate(4096), c = *arena.allocate(3 * kMiB);
  char* const first = view.write(a).data();
  CHECK(view.write(b).data() == first + (b.offset - a.offset));
  char* const large = view.write(c).data();
  CHECK(view.windows() == 2);
  CHECK(view.write(a).data() == first);
  CHECK(view.write(c).data() == large);
}

TEST_CASE("ArenaView: the number of windows is bounded and the oldest goes first") {
  Arena arena(64 * kMiB);
  ArenaView view(duplicate(arena.fd()), 4);
  std::vector<Block> blocks;
  for (int i = 0; i < 20; ++i) blocks.push_back(*arena.allocate(kMiB));
  for (const Block& block : blocks) {
    view.write(block)[0] = 'x';
    view.write(blocks[0])[0] = 'y';
    CHECK(view.windows() <= 4);
  }
  CHECK(view.read(blocks[0])[0] == 'y');
  CHECK(view.read(blocks[19])[0] == 'x');
  view.unmap_windows();
  CHECK(view.windows() == 0);
  CHECK(view.write(blocks[7])[0] == 'x');
}

TEST_CASE("ArenaView: a block outside the arena is Invalid") {
  Arena arena(kMiB);
  ArenaView view(duplicate(arena.fd()));
  struct stat status {};
  REQUIRE(fstat(arena.fd(), &status) == 0);
  const auto end = static_cast<uint64_t>(status.st_size);
  CHECK(view.read({end, 0}).empty());
  CHECK(view.write({end, 0}).empty());
  for (const Block& bad : {Block{end, 1}, Block{end - 10, 11}, Block{0, end + 1},
                           Block{UINT64_MAX, 2}, Block{2, UINT64_MAX}}) {
    CHECK_THROWS_AS(view.read(bad), Invalid);
    CHECK_THROWS_AS(view.write(bad), Invalid);
  }
}

TEST_CASE("ArenaView: memory that may shrink is refused") {
  const UniqueFd plain(memfd_create("plain", MFD_CLOEXEC));
  REQUIRE(ftruncate(plain.get(), 4096) == 0);
  CHECK_THROWS_AS(ArenaView(duplicate(plain.get())), Invalid);
  CHECK_THROWS_AS(ArenaView(UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC))), Invalid);
}

TEST_CASE("ArenaView: no mapping survives a fork") {
  Arena arena(4 * kMiB);
  ArenaView view(duplicate(arena.fd()));
  const Block block = *arena.allocate(4096);
  char* const written = view.write(block).data();
  const char* const read = view.read(block).data();
  CHECK(signal_of_child([written] { *const_cast<volatile char*>(written) = 1; }) == SIGSEGV);
  CHECK(signal_of_child([read] { (void)*const_cast<const volatile char*>(read); }) == SIGSEGV);
  CHECK(signal_of_child([] {}) == 0);
}

TEST_CASE("ArenaView: what was mapped to read can't be written") {
  Arena arena(4 * kMiB);
  ArenaView view(duplicate(arena.fd()));
  const Block block = *arena.allocate(4096);
  CHECK(signal_of_child([&arena, &block] {
          ArenaView own(duplicate(arena.fd()));
          const auto* read = own.read(block).data();
          *const_cast<volatile char*>(read) = 1;
        }) == SIGSEGV);
}

TEST_CASE("SealedMemory: it can grow only when made so and never shrink") {
  SealedMemory fixed = SealedMemory::create("fixed", 8192);
  CHECK(fixed.size() == 8192);
  CHECK_THROWS_AS(fixed.grow(16384), SystemError);
  CHECK(ftruncate(fixed.fd(), 0) != 0);

  SealedMemory growing = SealedMemory::create("growing", 4096, SealedMemory::Growth::kGrows);
  growing.grow(3 * 4096);
  growing.grow(4096);
  CHECK(growing.size() == 3 * 4096);
  CHECK(ftruncate(growing.fd(), 0) != 0);
  const SealedMemory other = SealedMemory::adopt(duplicate(growing.fd()));
  CHECK(other.size() == 3 * 4096);
  Mapping write(growing.fd(), 4096, 4096, Mapping::Access::kWrite);
  write.writable()[5] = 'x';
  const Mapping read(other.fd(), 0, other.size(), Mapping::Access::kRead);
  CHECK(read.bytes()[4096 + 5] == 'x');
}
