#include "towpath/memory/shared_memory.h"

#include <sys/statvfs.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "process/helpers.h"
#include "towpath/base/program_session.h"

using namespace towpath;

namespace {

std::string text_of(const SharedMemory& memory, size_t size) {
  return {reinterpret_cast<const char*>(memory.buf().data()), size};
}

void write_into(const SharedMemory& memory, const char* text) {
  std::memcpy(memory.buf().data(), text, std::strlen(text));
}

}  // namespace

TEST_CASE("SharedMemory: other processes open it by name and by handle") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const SharedMemory memory = SharedMemory::create(10'000, "greeting");
    CHECK(memory.name() == "greeting");
    CHECK(memory.size() == 10'000);
    CHECK(memory.buf().size() == 10'000);
    CHECK(memory.buf()[9'999] == std::byte{0});
    write_into(memory, "hello");
    Process child(
        Options{.method = method},
        [](SharedMemory sent) {
          SharedMemory named = SharedMemory::open("greeting");
          if (text_of(sent, 5) != "hello" || text_of(named, 5) != "hello") std::exit(2);
          if (named.size() != 10'000) std::exit(3);
          write_into(sent, "HELLO");
        },
        memory);
    child.start();
    REQUIRE(child.join(kSoon));
    CHECK(child.exitcode() == 0);
    // The opener's end is not the memory's.
    CHECK(text_of(memory, 5) == "HELLO");
    CHECK(text_of(SharedMemory::open("greeting"), 5) == "HELLO");
  }
}

TEST_CASE("SharedMemory: without a name it gets one of its own") {
  const SharedMemory one = SharedMemory::create(1);
  const SharedMemory two = SharedMemory::create(1);
  CHECK(one.name() != two.name());
  CHECK(SharedMemory::open(one.name()).size() == 1);
}

TEST_CASE("SharedMemory: bad names and sizes are Invalid, a missing one is Closed") {
  CHECK_THROWS_AS(SharedMemory::create(0), Invalid);
  CHECK_THROWS_AS(SharedMemory::create(-1), Invalid);
  CHECK_THROWS_AS(SharedMemory::create(1, std::string_view("a\0b", 3)), Invalid);
  CHECK_THROWS_AS(SharedMemory::create(1, ""), Invalid);
  CHECK_THROWS_AS(SharedMemory::create(1, "a/b"), Invalid);
  CHECK_THROWS_AS(SharedMemory::create(1, std::string(201, 'x')), Invalid);
  CHECK_THROWS_AS(SharedMemory::open("a/b"), Invalid);
  CHECK_THROWS_AS(SharedMemory::open(std::string_view("a\0b", 3)), Invalid);
  CHECK_THROWS_AS(SharedMemory::open("none"), Closed);
  CHECK_THROWS_WITH(SharedMemory::open("none"), Catch::Contains("none is not found"));
  const SharedMemory memory = SharedMemory::create(1, "taken");
  CHECK_THROWS_AS(SharedMemory::create(1, "taken"), Invalid);
  CHECK_THROWS_WITH(SharedMemory::create(1, "taken"), Catch::Contains("\"taken\" exists"));
}

TEST_CASE("SharedMemory: close lets go of this object alone") {
  SharedMemory memory = SharedMemory::create(100);
  SharedMemory copy = memory;
  write_into(copy, "kept");
  memory.close();
  memory.close();
  CHECK_THROWS_AS(memory.buf(), Closed);
  CHECK_THROWS_AS(memory.unlink(), Closed);
  CHECK(memory.size() == 100);
  CHECK(text_of(copy, 4) == "kept");
  CHECK(text_of(SharedMemory::open(copy.name()), 4) == "kept");
  copy.close();
  CHECK_THROWS_AS(SharedMemory::open(copy.name()), Closed);
}

TEST_CASE("SharedMemory: after unlink nobody opens it, and who has it keeps it") {
  SharedMemory memory = SharedMemory::create(100, "short");
  write_into(memory, "kept");
  const std::string sent = to_bytes(memory);
  CHECK(text_of(from_bytes<SharedMemory>(sent), 4) == "kept");
  memory.unlink();
  CHECK_THROWS_AS(memory.unlink(), Closed);
  CHECK_THROWS_AS(from_bytes<SharedMemory>(sent), Closed);
  CHECK_THROWS_WITH(from_bytes<SharedMemory>(sent), Catch::Contains("not found"));
  CHECK(text_of(memory, 4) == "kept");
  // The name is free again, and another's memory is not taken for this.
  const SharedMemory other = SharedMemory::create(50, "short");
  CHECK(SharedMemory::open("short").size() == 50);
  CHECK(from_bytes<SharedMemory>(sent).size() == 50);
  CHECK(text_of(memory, 4) == "kept");
}

TEST_CASE("SharedMemory: only its creator unlinks it") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const SharedMemory memory = SharedMemory::create(10);
    Process child(
        Options{.method = method},
        [](SharedMemory sent) {
          try {
            sent.unlink();
          } catch (const Invalid&) {
            sent.close();
            std::exit(3);
          }
        },
        memory);
    child.start();
    REQUIRE(child.join(kSoon));
    CHECK(child.exitcode() == 3);
    CHECK(SharedMemory::open(memory.name()).size() == 10);
  }
}

TEST_CASE("SharedMemory: a killed opener leaves it, a killed creator leaves it to the session") {
  const SharedMemory memory = SharedMemory::create(10);
  auto [mine, its] = packet_pair();
  Process child(
      Options{.daemon = true},
      [](SharedMemory, Descriptor up) {
        const SharedMemory own = SharedMemory::create(7, "of the killed");
        send_packet(up.fd, "ready");
        run_for_ever();
      },
      memory, Descriptor{its.get()});
  child.start();
  REQUIRE(receive_packet(mine.get(), kSoon));
  child.kill();
  REQUIRE(child.join(kSoon));
  CHECK(SharedMemory::open(memory.name()).size() == 10);
  CHECK(SharedMemory::open("of the killed").size() == 7);
}

TEST_CASE("SharedMemory: what does not fit is refused and takes no room") {
  struct statvfs before {};
  ::statvfs(program_session().folder().c_str(), &before);
  const uint64_t all = before.f_blocks * before.f_frsize;
  // A size that can't be reserved by trying: the file system counts in pages.
  if (all == 0 || all > (uint64_t{64} << 30)) return;
  CHECK_THROWS_AS(SharedMemory::create(static_cast<int64_t>(all) + 4096, "huge"), Full);
  CHECK_THROWS_WITH(SharedMemory::create(static_cast<int64_t>(all) + 4096, "huge"),
                    Catch::Contains("/dev/shm") && Catch::Contains(std::to_string(all)));
  CHECK_THROWS_AS(SharedMemory::open("huge"), Closed);
  CHECK_THROWS_AS(SharedMemory::create(std::numeric_limits<int64_t>::max(), "huge"), Full);
}
