#include "towpath/shared/value.h"

#include <catch2/catch.hpp>
#include <random>
#include <thread>
#include <vector>

#include "helpers.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

struct Point {
  double x = 0;
  double y = 0;
  int32_t colour = 7;
};

template <class T>
concept HasLock = requires(T& it) {
  it.lock();
};
template <class T>
concept CanBeValue = requires {
  typename Value<T>;
};

// What is no plain bytes can't be shared, and what has no lock can't be locked: nothing of it
// compiles.
static_assert(HasLock<Value<int>> && !HasLock<RawValue<int>>);
static_assert(CanBeValue<Point> && CanBeValue<double> && !CanBeValue<std::string> &&
              !CanBeValue<int*> && !CanBeValue<const int> && !CanBeValue<int&>);
static_assert(Sendable<Value<Point>> && Sendable<RawValue<Point>>);

void hold_for_ever(Value<Point> value, Event half) {
  const auto guard = value.lock();
  guard->x = 1;
  half.set();
  run_for_ever();
}

void add(Value<int64_t> value, int times) {
  for (int i = 0; i < times; ++i) *value.lock() += 1;
}

}  // namespace

TEST_CASE("Value: a child changes it in place and the parent sees it") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Value<double> number(1.5);
    Value<Point> point({1, 2, 3});
    RawValue<int8_t> raw(-5);
    Children children;
    children.start(
        method,
        [](Value<double> n, Value<Point> p, RawValue<int8_t> r) {
          if (n.get() != 1.5 || p.get().y != 2 || *r != -5) std::exit(2);
          n.set(3.1415927);
          auto held = p.lock();
          held->x *= 2;
          held->y *= 2;
          held->colour *= 2;
          *r = 100;
        },
        number, point, raw);
    REQUIRE(children.joined());
    CHECK(number.get() == 3.1415927);
    CHECK(point.get().x == 2);
    CHECK(point.get().y == 4);
    CHECK(point.get().colour == 6);
    CHECK(raw.get() == 100);
  }
}

TEST_CASE("Value: it begins with what it is given") {
  CHECK(Value<int>().get() == 0);
  CHECK(Value<Point>().get().colour == 7);
  CHECK(RawValue<Point>({1, 2, 3})->y == 2);
  struct alignas(64) Aligned {
    char c = 'a';
  };
  Value<Aligned> aligned;
  CHECK(reinterpret_cast<uintptr_t>(&*aligned.lock()) % 64 == 0);
  CHECK(reinterpret_cast<uintptr_t>(&*RawValue<Aligned>()) % 64 == 0);
}

TEST_CASE("Value: no addition of processes and threads is lost") {
  Value<int64_t> count;
  Children children;
  for (int i = 0; i < 3; ++i) children.start(Method::kForkserver, &add, count, 2000);
  std::thread beside([count] { add(count, 2000); });
  add(count, 2000);
  beside.join();
  REQUIRE(children.joined());
  CHECK(count.get() == 10'000);
}

TEST_CASE("Value: a lock that is given guards several") {
  const Lock lock;
  const RLock recursive;
  Value<int> one(1, lock);
  Value<int> two(2, lock);
  Value<int> three(3, recursive);
  {
    const auto held = one.lock();
    CHECK(lock.locked());
    CHECK_THROWS_AS(two.lock(Millis{0}), Timeout);
    CHECK_THROWS_AS(two.get(Millis{0}), Timeout);
    CHECK_THROWS_AS(two.set(5, Millis{0}), Timeout);
    CHECK(three.get(Millis{0}) == 3);
  }
  CHECK(two.get() == 2);
  // What is sent has the same lock.
  auto copy = from_bytes<Value<int>>(to_bytes(two));
  const auto held = copy.lock();
  CHECK_THROWS_WITH(one.lock(Millis{0}), Catch::Contains("held by this thread"));
  auto again = from_bytes<Value<int>>(to_bytes(three));
  const auto first = again.lock();
  CHECK(*three.lock(Millis{0}) == 3);  // an RLock's thread gets it again
}

TEST_CASE("Value: its own lock is recursive and others wait for it") {
  Value<int> value(1);
  const auto outer = value.lock();
  CHECK(*value.lock() == 1);
  CHECK(value.get() == 1);
  std::thread([&] { CHECK_THROWS_AS(value.lock(Millis{0}), Timeout); }).join();
}

TEST_CASE("Value: who comes behind a dead holder is told") {
  for (const bool read_before : {false, true}) {
    Value<Point> value;
    const Event half;
    Children children;
    Process& child = children.start(Method::kForkserver, &hold_for_ever, value, half);
    REQUIRE(half.wait(kSoon));
    child.kill();
    REQUIRE(child.join(kSoon));
    // get() can't tell; it leaves the news to the next who can.
    if (read_before) CHECK(value.get().x == 1);
    {
      const auto guard = value.lock(kSoon);
      CHECK(guard.owner_died);
      CHECK(guard->x == 1);
    }
    CHECK_FALSE(value.lock().owner_died);
  }
}

TEST_CASE("Value: set mends what a dead holder left") {
  Value<Point> value;
  const Event half;
  Children children;
  Process& child = children.start(Method::kForkserver, &hold_for_ever, value, half);
  REQUIRE(half.wait(kSoon));
  child.kill();
  value.set({5, 6, 7}, kSoon);
  const auto guard = value.lock();
  CHECK_FALSE(guard.owner_died);
  CHECK(guard->x == 5);
}

TEST_CASE("Value: copy is new memory and get_obj is the same") {
  const RawValue<int> raw(5);
  const RawValue<int> other = copy(raw);
  raw.set(6);
  CHECK(*other == 5);
  Value<int> locked = synchronized(raw);
  *locked.lock() += 1;
  CHECK(*raw == 7);
  CHECK(*locked.get_obj() == 7);
  CHECK(from_bytes<Value<int>>(to_bytes(locked)).get() == 7);
  const Lock lock;
  Value<int> also = synchronized(raw, lock);
  const auto held = also.lock();
  CHECK(lock.locked());
  // Without the lock of a Value that has its own in the same file.
  const Value<int> own(8);
  CHECK(*from_bytes<RawValue<int>>(to_bytes(own.get_obj())) == 8);
}

TEST_CASE("Value: one that is gone is Closed and another type is Invalid") {
  std::string sent, raw_sent;
  {
    const Value<int> value;
    const RawValue<int> raw;
    sent = to_bytes(value);
    raw_sent = to_bytes(raw);
    CHECK(from_bytes<Value<int>>(sent).get() == 0);
    CHECK_THROWS_WITH(from_bytes<Value<unsigned>>(sent), Catch::Contains("not a unsigned int"));
    CHECK_THROWS_AS(from_bytes<Value<int64_t>>(sent), Invalid);
    CHECK_THROWS_AS(from_bytes<RawValue<float>>(raw_sent), Invalid);
    CHECK_THROWS_AS(from_bytes<Value<int>>(to_bytes(std::pair(raw.handle().text(), nullptr))),
                    Invalid);  // it has no lock
    CHECK_THROWS_AS(RawValue<int>::open(RLock().handle()), Error);
    const RLock only_a_lock;
    CHECK_THROWS_WITH(RawValue<int>::open(only_a_lock.handle()), Catch::Contains("only a lock"));
  }
  CHECK_THROWS_AS(from_bytes<Value<int>>(sent), Closed);
  CHECK_THROWS_AS(from_bytes<RawValue<int>>(raw_sent), Closed);
}

TEST_CASE("Value: 5000 random makings and endings leave nothing") {
  const size_t before = shared_files().size();
  std::mt19937 random(56);
  std::vector<Value<int64_t>> values;
  std::vector<RawValue<Point>> raws;
  const auto drop = [&random](auto& from) {
    if (from.empty()) return;
    std::swap(from[random() % from.size()], from.back());
    from.pop_back();
  };
  for (int i = 0; i < 5000; ++i) {
    switch (random() % 5) {
      case 0:
      case 1:
        values.emplace_back(i);
        break;
      case 2:
        raws.emplace_back(Point{.x = 1, .y = 2, .colour = 3});
        break;
      case 3:
        drop(values);
        break;
      default:
        drop(raws);
    }
  }
  // Of each Value one file, lock and all.
  CHECK(shared_files().size() - before == values.size() + raws.size());
  for (const RawValue<Point>& raw : raws) REQUIRE(raw->y == 2);
  values.clear();
  raws.clear();
  CHECK(shared_files().size() == before);
}
