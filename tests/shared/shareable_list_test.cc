#include "towpath/shared/shareable_list.h"

#include <catch2/catch.hpp>
#include <thread>

#include "helpers.h"
#include "towpath/message/codec.h"
#include "towpath/shared/shared_memory_manager.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

std::vector<Object> mixed() {
  return {"howdy", Object::Binary{"HoWdY"}, -273.154, 100, nullptr, true, 42, ""};
}

}  // namespace

TEST_CASE("ShareableList: every process sees what one sets") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    ShareableList list(mixed());
    CHECK(list.values() == mixed());
    Children children;
    children.start(
        method,
        [](ShareableList it, std::string name) {
          if (it.values() != mixed()) std::exit(2);
          it.set(0, "hi");
          it.set(-1, 1.5);
          ShareableList::open(name).set(4, 7);
        },
        list, list.shm().name());
    REQUIRE(children.joined());
    CHECK(list.get(0) == Object("hi"));
    CHECK(list.get(7) == Object(1.5));
    CHECK(list.get(4) == Object(7));
    CHECK(list.get(2) == Object(-273.154));
  }
}

TEST_CASE("ShareableList: index and count and contains") {
  const ShareableList list({1, "a", 1, 1.0, nullptr, "1"});
  CHECK(list.size() == 6);
  CHECK(list.count(1) == 2);
  CHECK(list.count("b") == 0);
  CHECK(list.index("a") == 1);
  CHECK(list.index(nullptr) == 4);
  CHECK(list.contains("1"));
  CHECK_FALSE(list.contains(false));
  CHECK_THROWS_WITH(list.index("none"), Catch::Contains("no such item"));
  CHECK(ShareableList({}).size() == 0);
  CHECK(ShareableList({}).values().empty());
}

TEST_CASE("ShareableList: an item has the room of the first that was there") {
  ShareableList list({"four", 1, std::string(20, 'x')});
  CHECK(list.room(0) == 8);
  CHECK(list.room(2) == 24);
  list.set(0, "12345678");
  CHECK(list.get(0) == Object("12345678"));
  CHECK_THROWS_WITH(list.set(0, "123456789"),
                    Catch::Contains("string of 9 bytes for slot 0, which has room for 8"));
  CHECK_THROWS_AS(list.set(1, Object::Binary{std::string(9, 'b')}), Invalid);
  CHECK(list.get(0) == Object("12345678"));
  list.set(1, "text");
  list.set(2, std::numeric_limits<uint64_t>::max());
  CHECK(list.values() ==
        std::vector<Object>{"12345678", "text", Object(std::numeric_limits<uint64_t>::max())});
  // Zero bytes at the end count.
  const std::string zeros("ab\0\0", 4);
  list.set(0, zeros);
  list.set(2, Object::Binary{zeros});
  CHECK(list.get(0).as_string() == zeros);
  CHECK(list.get(2).as_binary() == zeros);
}

TEST_CASE("ShareableList: bad indexes and kinds are Invalid") {
  ShareableList list({1, 2});
  CHECK(list.get(-2) == Object(1));
  CHECK_THROWS_WITH(list.get(2), Catch::Contains("index 2 of 2 items"));
  CHECK_THROWS_AS(list.get(-3), Invalid);
  CHECK_THROWS_AS(list.set(2, 1), Invalid);
  CHECK_THROWS_WITH(list.set(0, Object(Object::Array{})), Catch::Contains("not array"));
  CHECK_THROWS_AS(ShareableList({Object(Object::Map{})}), Invalid);
  CHECK(list.get(0) == Object(1));
  const ShareableList named({1}, "names");
  CHECK_THROWS_AS(ShareableList({1}, "names"), Invalid);
  CHECK(ShareableList::open("names").get(0) == Object(1));
}

TEST_CASE("ShareableList: gone is Closed and other memory is Invalid") {
  std::string sent;
  {
    const ShareableList list({1});
    sent = to_bytes(list);
    CHECK(from_bytes<ShareableList>(sent).get(0) == Object(1));
  }
  CHECK_THROWS_AS(from_bytes<ShareableList>(sent), Closed);
  for (const int64_t size : {1, 1000}) {
    const SharedMemory other = SharedMemory::create(size);
    CHECK_THROWS_WITH(ShareableList::open(other.handle()),
                      Catch::Contains("holds no ShareableList"));
  }
  // Spoilt by whoever writes there: an error, never a look outside the memory.
  ShareableList list({1, "text"});
  for (size_t i = 0; i < list.shm().size(); ++i) list.shm().buf()[i] |= std::byte{0x7e};
  CHECK_THROWS_AS(ShareableList::open(list.handle()), Invalid);
}

TEST_CASE("ShareableList: an item is seen whole") {
  ShareableList list({std::string(64, 'a')});
  Children children;
  children.start(
      Method::kForkserver,
      [](ShareableList it) {
        for (int i = 0; i < 2000; ++i)
          it.set(0, std::string(i % 64 + 1, static_cast<char>('a' + i % 26)));
      },
      list);
  std::thread reader([&] {
    for (int i = 0; i < 2000; ++i) {
      const std::string text = list.get(0).as_string();
      if (text != std::string(text.size(), text[0])) std::abort();
    }
  });
  reader.join();
  CHECK(children.joined());
}

TEST_CASE("ShareableList: a killed writer leaves whole items and no lock") {
  ShareableList list({std::string(64, 'a')});
  for (int round = 0; round < 5; ++round) {
    Children children;
    const Event begun;
    Process& child = children.start(
        Method::kForkserver,
        [](ShareableList it, Event going) {
          going.set();
          for (int i = 0;; ++i) it.set(0, std::string(64, static_cast<char>('a' + i % 26)));
        },
        list, begun);
    REQUIRE(begun.wait(kSoon));
    child.kill();
    REQUIRE(child.join(kSoon));
    const std::string text = list.get(0).as_string();
    CHECK(text == std::string(64, text[0]));
  }
}

TEST_CASE("SharedMemoryManager: its end unlinks all") {
  const size_t before = shared_files("memory-").size();
  std::optional<SharedMemory> kept;
  {
    SharedMemoryManager manager;
    kept = manager.shared_memory(100);
    ShareableList list = manager.shareable_list({1, 2});
    manager.shared_memory(10).unlink();  // by its user, earlier
    CHECK(shared_files("memory-").size() == before + 2);
    CHECK(ShareableList::open(list.handle()).get(1) == Object(2));
    CHECK_THROWS_AS(manager.shared_memory(0), Invalid);
    manager.shutdown();
    CHECK(shared_files("memory-").size() == before);
    CHECK(list.get(1) == Object(2));  // who has it keeps it
    manager.shutdown();
    (void)manager.shared_memory(7);
  }
  CHECK(shared_files("memory-").size() == before);
  CHECK(kept->buf().size() == 100);
  CHECK_THROWS_AS(SharedMemory::open(kept->name()), Closed);
}
