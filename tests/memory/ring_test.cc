#include "towpath/memory/ring.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>

#include "towpath/base/error.h"

using namespace towpath;

namespace {

constexpr uint64_t kCapacity = 1024;

struct Memory {
  std::span<char> bytes() { return {data, sizeof data}; }
  RingControl& control() { return *reinterpret_cast<RingControl*>(data); }
  char* records() { return data + sizeof(RingControl); }

  alignas(64) char data[ring_memory(kCapacity)] = {};
};

bool put(RingWriter& ring, std::string_view bytes, uint32_t tag = 0) {
  char* to = ring.reserve(bytes.size());
  if (to == nullptr) return false;
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  ring.publish(tag);
  return true;
}

std::optional<std::string> take(RingReader& ring) {
  const auto record = ring.front();
  if (!record) return std::nullopt;
  std::string bytes(record->bytes.begin(), record->bytes.end());
  ring.pop();
  return bytes;
}

}  // namespace

TEST_CASE("Ring: records come out as they went in") {
  Memory memory;
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  CHECK_FALSE(reader.ready());
  CHECK(put(writer, "one", 7));
  CHECK(put(writer, ""));
  REQUIRE(reader.front());
  CHECK(reader.front()->tag == 7);
  CHECK(take(reader) == "one");
  CHECK(take(reader) == "");
  CHECK(take(reader) == std::nullopt);
}

TEST_CASE("Ring: what was not published is not there") {
  Memory memory;
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  std::memcpy(writer.reserve(4), "torn", 4);
  CHECK_FALSE(reader.ready());
}

TEST_CASE("Ring: a full ring has no room until something is given back") {
  Memory memory;
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  int count = 0;
  while (put(writer, "12345678")) ++count;
  CHECK(count == kCapacity / 16);
  writer.want_room(RingWriter::Want::kAny);
  REQUIRE(reader.front());
  CHECK(reader.pop());  // the writer is to be woken
  CHECK(put(writer, "12345678"));
  CHECK_FALSE(put(writer, "12345678"));
}

TEST_CASE("Ring: a writer that wants half of it is woken at half") {
  Memory memory;
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  while (put(writer, "12345678")) {
  }
  writer.want_room(RingWriter::Want::kHalf);
  uint64_t given_back = 0;
  bool woken = false;
  while (!woken) {
    REQUIRE(reader.front());
    woken = reader.pop();
    given_back += 16;
  }
  CHECK(given_back == kCapacity / 2);
}

TEST_CASE("Ring: only a reader that waits is woken") {
  Memory memory;
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  writer.reserve(1);
  CHECK_FALSE(writer.publish(0));
  reader.want_record(true);
  writer.reserve(1);
  CHECK(writer.publish(0));
  writer.reserve(1);
  CHECK_FALSE(writer.publish(0));
}

TEST_CASE("Ring: records of all sizes pass its end many times") {
  Memory memory;
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  std::mt19937 random(1);
  std::deque<std::string> inside;
  for (int i = 0; i < 100'000; ++i) {
    if (random() % 2 == 0) {
      std::string bytes(random() % (writer.max_record() + 1), static_cast<char>(random()));
      if (put(writer, bytes)) inside.push_back(std::move(bytes));
    } else {
      const auto bytes = take(reader);
      REQUIRE(bytes.has_value() == !inside.empty());
      if (bytes) {
        REQUIRE(*bytes == inside.front());
        inside.pop_front();
      }
    }
  }
}

TEST_CASE("Ring: the largest record always finds room in an empty ring") {
  for (uint64_t before = 0; before < kCapacity / 2; before += 8) {
    Memory memory;
    RingWriter writer(memory.bytes());
    RingReader reader(memory.bytes());
    if (before >= 8) {
      REQUIRE(put(writer, std::string(before - 8, 'x')));
      REQUIRE(take(reader));
    }
    const std::string largest(writer.max_record(), 'y');
    REQUIRE(put(writer, largest));
    REQUIRE(take(reader) == largest);
  }
}

TEST_CASE("Ring: another process takes an end over where it stood") {
  Memory memory;
  {
    RingWriter writer(memory.bytes());
    RingReader reader(memory.bytes());
    REQUIRE(put(writer, "first"));
    REQUIRE(put(writer, "second"));
    REQUIRE(take(reader) == "first");
  }
  RingWriter writer(memory.bytes());
  RingReader reader(memory.bytes());
  REQUIRE(put(writer, "third"));
  CHECK(take(reader) == "second");
  CHECK(take(reader) == "third");
}

TEST_CASE("Ring: nonsense in its memory is Invalid and nothing outside is touched") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 20'000; ++round) {
    const auto memory = std::make_unique<Memory>();
    try {
      RingWriter writer(memory->bytes());
      RingReader reader(memory->bytes());
      for (int i = 0; i < 20; ++i) put(writer, std::string(random() % 60, 'x'));
      for (int i = 0; i < 4; ++i)
        memory->records()[random() % kCapacity] = static_cast<char>(random());
      if (round % 3 == 0) memory->control().head = random() >> (random() % 64);
      if (round % 5 == 0) memory->control().tail = random() >> (random() % 64);
      uint64_t sum = 0;
      for (int i = 0; i < 40; ++i) {
        const auto record = reader.front();
        if (!record) break;
        for (const char c : record->bytes) sum += static_cast<unsigned char>(c);
        reader.pop();
        put(writer, std::string(random() % 60, 'y'));
      }
      CHECK(sum < 1'000'000'000);
    } catch (const Invalid&) {
      // As it should be.
    }
  }
}
