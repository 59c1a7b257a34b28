#include "towpath/shared/array.h"

#include <array>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>
#include <ranges>
#include <thread>
#include <tuple>

#include "helpers.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

struct Point {
  double x, y;
  char name[3];
};

template <class T>
concept HasLock = requires(T& it) {
  it.lock();
};
static_assert(HasLock<Array<int>> && !HasLock<RawArray<int>>);

}  // namespace

TEST_CASE("RawArray: a copy is the same memory whatever it is copied from") {
  RawArray<int> changing(std::vector<int>{1, 2, 3});
  const RawArray<int>& constant = changing;
  RawArray<int> first(changing);
  RawArray<int> second(constant);
  std::tuple<RawArray<int>> held(changing);
  changing[0] = 7;
  for (const RawArray<int>& each : {first, second, std::get<0>(held)}) {
    CHECK(each.handle() == changing.handle());
    CHECK(each[0] == 7);
  }
  RawArray<int> moved(std::move(first));
  CHECK(moved[0] == 7);
  RawArray<int> other = copy(changing);
  CHECK_FALSE(other.handle() == changing.handle());
  CHECK(other[0] == 7);
}

TEST_CASE("Array: a child changes it in place and the parent sees it") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Array<int> sums(std::views::iota(0, 10'000));
    Array<Point> points(std::vector<Point>{{1.875, -6.25, "ab"}, {-5.75, 2, "cd"}});
    Array<int> ten(std::views::iota(0, 10));
    Children children;
    children.start(
        method,
        [](Array<int> in, Array<Point> doubled, Array<int> negated) {
          auto all = in.lock();
          std::partial_sum(all.begin(), all.end(), all.begin());
          for (Point& point : doubled.lock()) {
            point.x *= 2;
            point.y *= 2;
          }
          for (uint64_t i = 0; i < negated.size(); ++i) negated.set(i, -negated.get(i));
        },
        sums, points, ten);
    REQUIRE(children.joined());
    std::vector<int> serial(10'000);
    std::iota(serial.begin(), serial.end(), 0);
    std::partial_sum(serial.begin(), serial.end(), serial.begin());
    CHECK(sums.values() == serial);
    CHECK(points.get(0).x == 3.75);
    CHECK(points.get(1).y == 4);
    CHECK(std::string_view(points.get(1).name) == "cd");
    CHECK(ten.values() == std::vector<int>{0, -1, -2, -3, -4, -5, -6, -7, -8, -9});
  }
}

TEST_CASE("Array: from a size it is zero and from a range it is a copy") {
  CHECK(Array<int>(5).values() == std::vector<int>(5));
  CHECK(RawArray<Point>(3)[2].y == 0);
  CHECK(Array<int>(0).values().empty());
  const int plain[] = {1, 2, 3};
  CHECK(Array<int>(plain).values() == std::vector<int>{1, 2, 3});
  CHECK(Array<double>(std::vector<float>{1.5F}).values() == std::vector<double>{1.5});
  CHECK(Array<char>(std::string("text")).get(3) == 't');
  const RawArray<int64_t> raw(std::array<int64_t, 2>{7, 8});
  CHECK(std::accumulate(raw.begin(), raw.end(), int64_t{0}) == 15);
  CHECK((*raw).size() == 2);
  CHECK(raw.size() == 2);
}

TEST_CASE("Array: bad sizes and indexes are Invalid") {
  CHECK_THROWS_AS(Array<int>(-1), Invalid);
  CHECK_THROWS_AS(RawArray<int>(-1), Invalid);
  CHECK_THROWS_AS(Array<double>(std::numeric_limits<int64_t>::max()), Invalid);
  CHECK_THROWS_AS(RawArray<double>(std::numeric_limits<int64_t>::max() / 32), Full);
  Array<int> three(3);
  CHECK_THROWS_WITH(three.get(3), Catch::Contains("index 3 of 3 elements"));
  CHECK_THROWS_AS(three.set(3, 1), Invalid);
  CHECK_THROWS_AS(three.lock()[3], Invalid);
  CHECK_THROWS_WITH(three.assign(std::vector<int>{1, 2}), Catch::Contains("size is fixed"));
  CHECK(three.values() == std::vector<int>(3));
  three.assign(std::vector<int>{4, 5, 6});
  CHECK(three.lock()[1] == 5);
}

TEST_CASE("Array: its guard is whole against other processes and threads") {
  Array<int> pair(2);
  Children children;
  const auto swap_often = [](Array<int> it) {
    for (int i = 0; i < 3000; ++i) {
      const auto held = it.lock();
      held[0] += 1;
      if (held[0] != held[1] + 1) std::exit(2);
      held[1] += 1;
    }
  };
  children.start(Method::kForkserver, swap_often, pair);
  children.start(Method::kForkserver, swap_often, pair);
  std::thread beside([&] {
    for (int i = 0; i < 3000; ++i) {
      const std::vector<int> seen = pair.values();
      if (seen[0] != seen[1]) std::abort();
    }
  });
  beside.join();
  REQUIRE(children.joined());
  CHECK(pair.values() == std::vector<int>{6000, 6000});
}

TEST_CASE("Array: it takes a lock that is given and can be given one") {
  const Lock lock;
  const RLock recursive;
  Array<int> one(3, lock);
  Array<int> two(std::vector<int>{1, 2}, lock);
  Array<int> three(std::vector<int>{1, 2}, recursive);
  const auto held = one.lock();
  CHECK_THROWS_AS(two.get(0, Millis{0}), Timeout);
  CHECK_THROWS_AS(from_bytes<Array<int>>(to_bytes(two)).values(Millis{0}), Timeout);
  CHECK(three.get(1) == 2);
  const RawArray<int> raw(std::vector<int>{4, 5});
  Array<int> locked = synchronized(raw);
  locked.set(0, 6);
  CHECK(raw[0] == 6);
  const RawArray<int> other = copy(raw);
  raw[0] = 9;
  CHECK(other[0] == 6);
  CHECK(locked.get_obj()[0] == 9);
  CHECK_THROWS_AS(synchronized(raw, lock).get(0, Millis{0}), Timeout);
}

TEST_CASE("Array: who comes behind a dead holder is told") {
  Array<int> array(3);
  const Event half;
  Children children;
  Process& child = children.start(
      Method::kForkserver,
      [](Array<int> it, Event changed) {
        const auto held = it.lock();
        held[0] = 1;
        changed.set();
        run_for_ever();
      },
      array, half);
  REQUIRE(half.wait(kSoon));
  child.kill();
  REQUIRE(child.join(kSoon));
  array.set(1, 5, kSoon);  // mends one element alone
  const auto held = array.lock();
  CHECK(held.owner_died);
  CHECK(held[0] == 1);
}

TEST_CASE("Array: gone is Closed and another type or shape is Invalid") {
  std::string sent;
  {
    const Array<int> array(3);
    sent = to_bytes(array);
    CHECK(from_bytes<Array<int>>(sent).size() == 3);
    CHECK_THROWS_WITH(from_bytes<Array<double>>(sent), Catch::Contains("is not a double[]"));
    CHECK_THROWS_AS(from_bytes<Array<unsigned>>(sent), Invalid);
  }
  CHECK_THROWS_AS(from_bytes<Array<int>>(sent), Closed);
}

TEST_CASE("Array: 5000 random makings and endings leave nothing") {
  const size_t before = shared_files().size();
  std::mt19937 random(56);
  std::vector<RawArray<char>> arrays;
  for (int i = 0; i < 5000; ++i) {
    if (random() % 5 < 3) {
      arrays.emplace_back(static_cast<int64_t>(random() % 2000));
      for (char& c : arrays.back()) c = 'x';
    } else if (!arrays.empty()) {
      std::swap(arrays[random() % arrays.size()], arrays.back());
      arrays.pop_back();
    }
  }
  CHECK(shared_files().size() == before + arrays.size());
  for (const auto& array : arrays) {
    for (const char c : array) REQUIRE(c == 'x');
  }
  arrays.clear();
  CHECK(shared_files().size() == before);
}
