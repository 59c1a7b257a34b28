#include "towpath/message/codec.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <new>
#include <random>

#include "towpath/base/error.h"

using namespace towpath;

// The largest piece of memory asked for since it was set to 0: decoding must not believe a claimed
// size.
static size_t largest_new = 0;
void* operator new(size_t size) {
  largest_new = std::max(largest_new, size);
  if (void* data = std::malloc(size)) return data;
  throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // it inlines the new above, and misses it
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
#pragma GCC diagnostic pop

namespace {

using namespace std::string_literals;

enum class Colour : uint8_t { kRed, kGreen };

struct Point {
  int32_t x = 0, y = 0;
  TOWPATH_FIELDS(x, y)
  bool operator==(const Point&) const = default;
};

struct Tree {
  std::string name;
  std::vector<Tree> branches;
  TOWPATH_FIELDS(name, branches)
  bool operator==(const Tree&) const = default;
};

struct All {
  bool flag = false;
  int8_t tiny = 0;
  uint64_t large = 0;
  double real = 0;
  float single = 0;
  std::string text;
  Colour colour = Colour::kRed;
  std::vector<Point> points;
  std::array<int, 3> three{};
  std::optional<std::string> maybe;
  std::map<std::string, std::pair<int, bool>> table;
  std::tuple<int, std::string, std::vector<double>> mixed;
  Object object;
  TOWPATH_FIELDS(flag, tiny, large, real, single, text, colour, points, three, maybe, table, mixed,
                 object)
  bool operator==(const All&) const = default;
};

All an_example() {
  Object object;
  object.set("list", Object::Array{1, -1, 2.5, "text", nullptr, true, uint64_t{UINT64_MAX}});
  object.set("bytes", Object::Binary{"\0\xff"s});
  object.as_map().emplace_back(Object(7), Object(Object::Map{}));
  return {true,
          -128,
          UINT64_MAX,
          -0.0,
          1.5f,
          "\0\xff text"s,
          Colour::kGreen,
          {{1, -2}, {INT32_MAX, INT32_MIN}},
          {1, 2, 3},
          "here",
          {{"a", {1, true}}, {"", {-1, false}}},
          {9, "x", {0.1, 1e300}},
          object};
}

template <class T>
T round_trip(const T& value) {
  return from_bytes<T>(to_bytes(value));
}

// Reads every value of some bytes, as whoever trusts them would.
void read_all(std::string_view bytes) {
  for (Decoder in(bytes); !in.at_end();) in.object();
  for (Decoder in(bytes); !in.at_end();) in.skip();
}

}  // namespace

TEST_CASE("Encoder: what is taken has no more than twice the memory it needs") {
  Encoder out;
  out.integer(5);
  const std::string small = out.take();
  CHECK(small == "\x05");
  CHECK(small.capacity() == std::string().capacity());  // in the string itself
  for (const size_t size : {20, 300, 5'000, 100'000, 10'000'000}) {
    out.string(std::string(size, 'x'));
    CHECK(out.take().capacity() <= 2 * size + 16);
    for (size_t i = 0; i < size; ++i) out.integer(5);
    const std::string many = out.take();
    CHECK(many == std::string(size, '\x05'));
    CHECK(many.capacity() <= 2 * size + 16);
  }
  std::string large(size_t{100} << 20, 'x');
  out.string(large);
  CHECK(out.take().capacity() < large.size() + 4096);  // made once
}

TEST_CASE("Encoder: what comes behind clear() and take() begins anew") {
  Encoder out;
  out.string("a long text that is longer than the next");
  out.clear();
  CHECK(out.bytes().empty());
  out.integer(1);
  CHECK(out.bytes() == "\x01");
  CHECK(out.take() == "\x01");
  CHECK(out.bytes().empty());
  out.string(std::string_view());
  out.raw({});
  CHECK(out.take() == "\xa0");
  CHECK(out.take().empty());
}

TEST_CASE("Codec: a struct of every type comes back the same") {
  const All all = an_example();
  CHECK(round_trip(all) == all);
  CHECK(round_trip(All{}) == All{});
  CHECK(std::signbit(round_trip(-0.0)));
  CHECK(round_trip(Object(3.0)).is_float());  // and no integer
}

TEST_CASE("Codec: integers at every boundary come back the same") {
  for (int shift = 0; shift < 64; ++shift) {
    for (const int64_t step : {-1, 0, 1}) {
      const uint64_t number = (uint64_t{1} << shift) + static_cast<uint64_t>(step);
      CHECK(round_trip(number) == number);
      const auto with_sign = static_cast<int64_t>(number);
      CHECK(round_trip(with_sign) == with_sign);
      CHECK(round_trip(Object(number)) == Object(number));
      CHECK(round_trip(Object(with_sign)) == Object(with_sign));
    }
  }
  CHECK(to_bytes(int64_t{5}).size() == 1);
  CHECK(to_bytes(int64_t{-5}).size() == 1);
}

TEST_CASE("Codec: a number that does not fit its type is Invalid") {
  CHECK_THROWS_AS(from_bytes<int8_t>(to_bytes(128)), Invalid);
  CHECK_THROWS_AS(from_bytes<int8_t>(to_bytes(-129)), Invalid);
  CHECK_THROWS_AS(from_bytes<uint8_t>(to_bytes(256)), Invalid);
  CHECK_THROWS_AS(from_bytes<uint64_t>(to_bytes(-1)), Invalid);
  CHECK_THROWS_AS(from_bytes<int64_t>(to_bytes(uint64_t{1} << 63)), Invalid);
  CHECK(from_bytes<int8_t>(to_bytes(uint64_t{127})) == 127);
}

TEST_CASE("Codec: floats of both widths and integers are read as floats") {
  CHECK(from_bytes<double>("\xca\x3f\xc0\x00\x00"s) == 1.5);
  CHECK(from_bytes<double>(to_bytes(-7)) == -7.0);
  CHECK(from_bytes<double>(to_bytes(uint64_t{1} << 63)) == 0x1p63);
  CHECK(std::isnan(round_trip(std::nan(""))));
  CHECK(round_trip(std::numeric_limits<double>::infinity()) ==
        std::numeric_limits<double>::infinity());
}

TEST_CASE("Codec: strings of every header size come back the same") {
  for (const size_t size : {0, 1, 31, 32, 255, 256, 65535, 65536, 100000}) {
    const std::string text(size, 'x');
    CHECK(round_trip(text) == text);
    CHECK(round_trip(Object(Object::Binary{text})) == Object(Object::Binary{text}));
    const std::vector<bool> flags(size, true);
    CHECK(round_trip(flags) == flags);
  }
  std::map<std::string, int> table;
  for (int i = 0; i < 70000; ++i) table.emplace(std::to_string(i), i);
  CHECK(round_trip(table) == table);
}

TEST_CASE("Decoder: peek tells what comes and moves nothing") {
  using Kind = Decoder::Kind;
  const std::string bytes = to_bytes(Object(Object::Array{
      nullptr, true, -1, 0.5, "s", uint64_t{UINT64_MAX}, Object::Binary{"b"}, Object::Map{}}));
  Decoder in(bytes);
  CHECK(in.peek() == Kind::kArray);
  REQUIRE(in.array() == 8);
  for (const Kind kind : {Kind::kNil, Kind::kBool, Kind::kInt, Kind::kFloat, Kind::kString,
                          Kind::kUint, Kind::kBinary, Kind::kMap}) {
    CHECK(in.peek() == kind);
    in.skip();
  }
  CHECK(in.at_end());
  CHECK_THROWS_AS(in.peek(), Invalid);
}

TEST_CASE("Decoder: raw gives the bytes of one whole value") {
  const std::string first = to_bytes(an_example()), second = to_bytes("next"s);
  const std::string bytes = first + second;
  Decoder in(bytes);
  CHECK(in.raw() == first);
  CHECK(in.rest() == second);
  Encoder out;
  out.array(2);
  out.raw(first);
  out.raw(second);
  CHECK(from_bytes<std::pair<All, std::string>>(out.bytes()) == std::pair{an_example(), "next"s});
}

TEST_CASE("Decoder: another shape than asked for is Invalid and names both") {
  CHECK_THROWS_WITH(from_bytes<int>(to_bytes("x"s)),
                    "MessagePack data holds string where int was expected");
  CHECK_THROWS_AS(from_bytes<std::string>(to_bytes(1)), Invalid);
  CHECK_THROWS_AS(from_bytes<bool>(to_bytes(1)), Invalid);
  CHECK_THROWS_AS(from_bytes<double>(to_bytes(true)), Invalid);
  CHECK_THROWS_AS(from_bytes<Point>(to_bytes(std::vector<int>{1, 2, 3})), Invalid);
  CHECK_THROWS_AS(from_bytes<Point>(to_bytes(std::map<int, int>{{1, 2}})), Invalid);
  CHECK_THROWS_AS((from_bytes<std::array<int, 2>>(to_bytes(std::vector<int>{1}))), Invalid);
  CHECK_THROWS_AS((from_bytes<std::map<int, int>>(to_bytes(std::vector<int>{1, 2}))), Invalid);
  CHECK_THROWS_AS(from_bytes<Object>("\xc1"s), Invalid);
  CHECK_THROWS_AS(from_bytes<Object>("\xd4\x01\x02"s), Invalid);  // an extension
  CHECK_THROWS_AS(from_bytes<Field>(to_bytes(std::pair{"a"s, 8})), Invalid);
  CHECK_THROWS_AS(from_bytes<Field>(to_bytes(std::pair{"a"s, -1})), Invalid);
  CHECK(round_trip(Field{"a", Type::kObject}) == Field{"a", Type::kObject});
  Decoder in("\xd5\x01\x02\x03\x07");
  in.skip();  // what it doesn't know it can pass over
  CHECK(in.integer() == 7);
}

TEST_CASE("Decoder: bytes cut off anywhere are Invalid") {
  const std::string bytes = to_bytes(an_example());
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(from_bytes<All>(bytes.substr(0, size)), Invalid);
    CHECK_THROWS_AS(from_bytes<Object>(bytes.substr(0, size)), Invalid);
  }
}

TEST_CASE("Decoder: a claimed size is not believed") {
  for (const std::string& bytes :
       {"\xdd\xff\xff\xff\xff"s, "\xdf\xff\xff\xff\xff"s, "\xdb\xff\xff\xff\xff"s,
        "\xc6\xff\xff\xff\xff"s, "\xc9\xff\xff\xff\xff\x01"s, "\xdd\x7f\xff\xff\xff\x01\x02"s}) {
    CHECK_THROWS_AS(from_bytes<Object>(bytes), Invalid);
    CHECK_THROWS_AS(Decoder(bytes).skip(), Invalid);
    largest_new = 0;
    bool invalid = false;
    try {
      from_bytes<std::vector<std::array<double, 100>>>(bytes);
    } catch (const Invalid&) {
      invalid = true;
    }
    CHECK(invalid);
    CHECK(largest_new < 4096);
  }
  // Each claim here is as large as the bytes allow: the memory stays in proportion.
  std::string nested;
  for (int i = 0; i < 100; ++i) nested += "\xdd\x00\x00\x80\x00"s;
  nested += std::string(0x8000, '\xc0');
  largest_new = 0;
  CHECK_THROWS_AS(read_all(nested), Invalid);
  CHECK(largest_new < 16 << 20);
}

TEST_CASE("Decoder: depth is bounded in objects and in structs of their own kind") {
  const auto nested = [](size_t depth) { return std::string(depth, '\x91') + "\xc0"; };
  CHECK_NOTHROW(read_all(nested(kMaxDepth)));
  CHECK_THROWS_AS(from_bytes<Object>(nested(kMaxDepth + 1)), Invalid);
  const std::string deep = nested(kMaxDepth + 1), very_deep = nested(10'000'000);
  CHECK_THROWS_AS(from_bytes<Object>(very_deep), Invalid);
  // What is only passed over may be as deep as it likes.
  for (const std::string& bytes : {deep, very_deep}) {
    Decoder in(bytes);
    in.skip();
    CHECK(in.at_end());
    Decoder cut(std::string_view(bytes).substr(0, bytes.size() - 1));
    CHECK_THROWS_AS(cut.skip(), Invalid);
  }

  Tree tree{"root", {{"a", {}}, {"b", {{"c", {}}}}}};
  CHECK(round_trip(tree) == tree);
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i) bytes += "\x92\xa0\x91"s;
  CHECK_THROWS_AS(from_bytes<Tree>(bytes), Invalid);

  // Depth is that of the value in hand: many values side by side are not deep.
  Decoder in("\x91\x91\x01\x91\x91\x02");
  in.skip();
  CHECK(in.object() == Object(Object::Array{Object::Array{2}}));
}

TEST_CASE("Encoder: an object nested too deep is not serialisable") {
  Object deep(1);
  for (size_t i = 0; i < kMaxDepth; ++i) deep = Object(Object::Array{std::move(deep)});
  CHECK(round_trip(deep) == deep);
  deep = Object(Object::Array{std::move(deep)});
  CHECK_THROWS_AS(to_bytes(deep), NotSerialisable);
}

TEST_CASE("Encoder: take leaves it empty and ready") {
  Encoder out;
  out.string("a");
  CHECK(out.bytes().size() == 2);
  const std::string first = out.take();
  CHECK(first == "\xa1"s + "a");
  CHECK(out.bytes().empty());
  out.integer(1);
  Encoder moved = std::move(out);
  moved.integer(2);
  CHECK(moved.bytes() == "\x01\x02");
  moved.clear();
  CHECK(moved.bytes().empty());
}

TEST_CASE("Decoder: random bytes and damaged messages never do worse than Invalid") {
  std::mt19937 random(1);
  const std::string good = to_bytes(an_example());
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    if (round % 2 == 0) {
      for (int i = 0; i < 1 + round % 5; ++i) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
    } else {
      bytes.resize(random() % 64);
      for (char& c : bytes) c = static_cast<char>(random());
    }
    const std::vector<char> exact(bytes.begin(), bytes.end());  // so that ASan sees the very end
    const std::string_view view(exact.data(), exact.size());
    try {
      read_all(view);
    } catch (const Invalid&) {
    }
    try {
      from_bytes<All>(view);
    } catch (const Invalid&) {
    }
  }
}

TEST_CASE("Encoder: what is written goes to its drain piece by piece and in order") {
  const std::string small(1000, 's'), large(3 << 20, 'l');
  const auto fill = [&](Encoder& out) {
    for (int i = 0; i < 3000; ++i) {
      out.integer(i);
      out.string(small);
      if (i == 1500) out.binary(large);
    }
  };
  Encoder whole;
  fill(whole);
  std::string drained;
  Encoder out([&](std::string_view bytes) { drained += bytes; });
  fill(out);
  CHECK(out.bytes().size() <= (1 << 20));
  drained += out.bytes();
  CHECK(drained == whole.bytes());
}
