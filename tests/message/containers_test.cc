#include <catch2/catch.hpp>
#include <chrono>
#include <climits>
#include <cmath>
#include <complex>
#include <deque>
#include <filesystem>
#include <limits>
#include <list>
#include <map>
#include <memory_resource>
#include <random>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/message/codec.h"

using namespace towpath;

namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

enum class Letter : char { kA = 'a', kB = 'b' };
constexpr Letter last_of(Letter) { return Letter::kB; }

// Holds others of its kind in an alternative.
struct Node {
  std::variant<std::monostate, int, std::vector<Node>> value;
  TOWPATH_FIELDS(value)
  bool operator==(const Node&) const = default;
};

// Made of a container, but says itself what travels.
struct Tagged : std::vector<int> {
  std::string tag{};
  TOWPATH_FIELDS(tag)
};

struct All {
  std::deque<int> deque;
  std::list<std::string> list;
  std::set<int> set;
  std::unordered_set<std::string> names;
  std::multiset<int> many;
  std::map<std::string, int, std::less<>> map;
  std::unordered_map<int, std::vector<double>> table;
  std::multimap<int, char> multimap;
  std::variant<std::monostate, int, std::string> either;
  std::monostate nothing;
  std::filesystem::path path;
  std::chrono::milliseconds time{};
  std::chrono::duration<double> seconds{};
  std::chrono::system_clock::time_point when;
  std::complex<double> complex;
  std::vector<std::optional<std::set<char>>> nested;
  std::u16string wide;
  long double precise = 0;
  TOWPATH_FIELDS(deque, list, set, names, many, map, table, multimap, either, nothing, path, time,
                 seconds, when, complex, nested, wide, precise)
  bool operator==(const All&) const = default;
};

All an_example() {
  return {{1, -2, 3},
          {"a", ""},
          {3, 1, 2},
          {"x", "yy"},
          {1, 1, 2},
          {{"one", 1}, {"two", 2}},
          {{1, {0.5}}, {2, {}}},
          {{1, 'a'}, {1, 'b'}},
          "text",
          {},
          "/a/b c/\xff",
          -250ms,
          std::chrono::duration<double>(0.1),
          std::chrono::system_clock::time_point(std::chrono::system_clock::duration(1234567890123)),
          {1.5, -0.5},
          {std::nullopt, std::set<char>{'a', 'z'}},
          u"gr\u00fc\u00df",
          0.1L};
}

template <class T>
T round_trip(const T& value) {
  return from_bytes<T>(to_bytes(value));
}

template <class T>
void check_all_characters() {
  using Limits = std::numeric_limits<T>;
  for (const T each : {Limits::min(), T{'a'}, T{0}, Limits::max()}) CHECK(round_trip(each) == each);
  CHECK(round_trip(std::vector<T>{Limits::max(), T{1}}) == std::vector<T>{Limits::max(), T{1}});
  CHECK(to_bytes(T{'a'}) == to_bytes(97));
  CHECK_THROWS_AS(from_bytes<T>(to_bytes(int64_t{1} << 40)), Invalid);
  CHECK_THROWS_AS(from_bytes<T>(to_bytes("a"s)), Invalid);
}

}  // namespace

TEST_CASE("Codec: the containers of the standard library come back the same") {
  const All all = an_example();
  CHECK(round_trip(all) == all);
  CHECK(round_trip(All{}) == All{});
  const std::pmr::vector<int> numbers{1, 2, 3};
  CHECK(round_trip(numbers) == numbers);
  CHECK(round_trip(std::deque<bool>{true, false}) == std::deque<bool>{true, false});
}

TEST_CASE("Codec: containers of one shape can be read as each other") {
  const std::string bytes = to_bytes(std::vector<int>{3, 1, 2});
  CHECK(from_bytes<std::deque<int>>(bytes) == std::deque<int>{3, 1, 2});
  CHECK(from_bytes<std::set<int>>(bytes) == std::set<int>{1, 2, 3});
  CHECK(from_bytes<std::unordered_set<int>>(bytes) == std::unordered_set<int>{1, 2, 3});
  CHECK(from_bytes<std::unordered_map<int, char>>(to_bytes(std::map<int, char>{{1, 'x'}})) ==
        std::unordered_map<int, char>{{1, 'x'}});
}

TEST_CASE("Codec: characters of every type travel as their numbers") {
  check_all_characters<char>();
  check_all_characters<signed char>();
  check_all_characters<unsigned char>();
  check_all_characters<wchar_t>();
  check_all_characters<char8_t>();
  check_all_characters<char16_t>();
  check_all_characters<char32_t>();
  CHECK(round_trip(Letter::kB) == Letter::kB);
  CHECK_THROWS_AS(from_bytes<Letter>(to_bytes('c')), Invalid);
}

TEST_CASE("Codec: a long double keeps all of its bits") {
  using Limits = std::numeric_limits<long double>;
  for (const long double number : {0.1L, -1.0L / 3, Limits::max(), Limits::denorm_min(), -0.0L,
                                   Limits::infinity(), 9007199254740993.0L}) {
    CHECK(round_trip(number) == number);
    CHECK(std::signbit(round_trip(number)) == std::signbit(number));
  }
  CHECK(std::isnan(round_trip(Limits::quiet_NaN())));
  CHECK_THROWS_AS(from_bytes<long double>(to_bytes(0.5)), Invalid);
  CHECK_THROWS_AS(from_bytes<long double>(to_bytes(Object(Object::Binary{"short"}))), Invalid);
}

TEST_CASE("Codec: a value that comes twice is Invalid in a set and the last in a map") {
  const std::string twice = to_bytes(std::vector<int>{7, 8, 7});
  CHECK_THROWS_WITH(from_bytes<std::set<int>>(twice),
                    "MessagePack data holds a value twice in one set");
  CHECK_THROWS_AS(from_bytes<std::unordered_set<int>>(twice), Invalid);
  CHECK(from_bytes<std::multiset<int>>(twice).count(7) == 2);
  const std::string keys = to_bytes(std::multimap<int, int>{{1, 10}, {1, 11}});
  CHECK(from_bytes<std::map<int, int>>(keys) == std::map<int, int>{{1, 11}});
  CHECK(from_bytes<std::unordered_map<int, int>>(keys) == std::unordered_map<int, int>{{1, 11}});
  CHECK(from_bytes<std::multimap<int, int>>(keys).count(1) == 2);
}

TEST_CASE("Codec: a variant travels as which alternative it is and its value") {
  using Either = std::variant<int, std::string, int>;  // by place, not by type
  CHECK(round_trip(Either(std::in_place_index<2>, 5)).index() == 2);
  CHECK(to_bytes(Either("x")) == to_bytes(std::pair{1, "x"s}));
  CHECK_THROWS_WITH(from_bytes<Either>(to_bytes(std::pair{3, 0})),
                    "MessagePack data names alternative 3 of a variant that has 3, from 0");
  CHECK_THROWS_AS(from_bytes<Either>(to_bytes(std::pair{-1, 0})), Invalid);
  CHECK_THROWS_AS(from_bytes<Either>(to_bytes(std::pair{1, 0})), Invalid);
  CHECK_THROWS_AS(from_bytes<Either>(to_bytes(0)), Invalid);
  std::variant<int, std::list<int>> broken;
  struct Throws {
    operator std::list<int>() const { throw 1; }
  };
  CHECK_THROWS_AS(broken.emplace<1>(Throws()), int);
  REQUIRE(broken.valueless_by_exception());
  CHECK_THROWS_AS(to_bytes(broken), NotSerialisable);
}

TEST_CASE("Codec: another shape than that of a container is Invalid") {
  CHECK_THROWS_AS(from_bytes<std::set<int>>(to_bytes(std::map<int, int>{{1, 2}})), Invalid);
  CHECK_THROWS_AS((from_bytes<std::unordered_map<int, int>>(to_bytes(std::set<int>{1}))), Invalid);
  CHECK_THROWS_AS(from_bytes<std::deque<int>>(to_bytes("x"s)), Invalid);
  CHECK_THROWS_AS(from_bytes<std::monostate>(to_bytes(0)), Invalid);
  CHECK_THROWS_AS(from_bytes<std::filesystem::path>(to_bytes(1)), Invalid);
  CHECK_THROWS_AS(from_bytes<std::chrono::seconds>(to_bytes(1.5)), Invalid);
  CHECK_THROWS_AS(from_bytes<std::complex<float>>(to_bytes(1.5)), Invalid);
}

TEST_CASE("Codec: what says itself what travels is not taken for its container") {
  Tagged tagged;
  tagged.push_back(1);
  tagged.tag.push_back('t');
  CHECK(round_trip(tagged).tag == "t");
  CHECK(round_trip(tagged).empty());
}

TEST_CASE("Codec: containers inside each other are bounded in depth") {
  const Node node{std::vector<Node>{{1}, {std::vector<Node>{{std::monostate()}}}}};
  CHECK(round_trip(node) == node);
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i) bytes += "\x91\x92\x02\x91"s;
  CHECK_THROWS_AS(from_bytes<Node>(bytes), Invalid);
}

TEST_CASE("Codec: cut and damaged containers never do worse than Invalid") {
  const std::string good = to_bytes(an_example());
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_THROWS_AS(from_bytes<All>(good.substr(0, size)), Invalid);
  }
  for (const std::string& claim : {"\xdd\xff\xff\xff\xff"s, "\xdf\xff\xff\xff\xff"s}) {
    CHECK_THROWS_AS(from_bytes<std::deque<int>>(claim), Invalid);
    CHECK_THROWS_AS(from_bytes<std::unordered_set<int>>(claim), Invalid);
    CHECK_THROWS_AS((from_bytes<std::unordered_map<int, int>>(claim)), Invalid);
  }
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 1 + round % 5; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const std::vector<char> exact(bytes.begin(), bytes.end());  // so that ASan sees the very end
    try {
      from_bytes<All>({exact.data(), exact.size()});
    } catch (const Invalid&) {
    }
  }
}
