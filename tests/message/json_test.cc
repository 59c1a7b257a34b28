#include "towpath/message/json.h"

#include <catch2/catch.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>

#include "towpath/base/error.h"
#include "towpath/message/codec.h"

using namespace towpath;
using namespace std::string_literals;

namespace {

std::string in_quotes(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

double read_back(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  REQUIRE(error == std::errc());
  REQUIRE(end == text.data() + text.size());
  return value;
}

}  // namespace

TEST_CASE("JSON: values of every kind are written") {
  Object object;
  object.set("nil", nullptr);
  object.set("list", Object::Array{true, false, -1, uint64_t{UINT64_MAX}, 0.5, 3.0, "x"});
  object.set("none", Object::Map{});
  object.set("empty", Object::Array{});
  object.set("nan", std::nan(""));
  object.set("inf", -std::numeric_limits<double>::infinity());
  object.as_map().emplace_back(Object(7), Object(Object::Binary{"\0\xff"s}));
  CHECK(to_json(object) ==
        R"({"nil":null,"list":[true,false,-1,18446744073709551615,0.5,3,"x"],"none":{},"empty":[],)"
        R"("nan":null,"inf":null,"7":"AP8="})");
}

TEST_CASE("JSON: binary is written in base64") {
  const auto base64 = [](const char* bytes) { return to_json(Object::Binary{bytes}); };
  CHECK(base64("") == R"("")");
  CHECK(base64("f") == R"("Zg==")");
  CHECK(base64("fo") == R"("Zm8=")");
  CHECK(base64("foo") == R"("Zm9v")");
  CHECK(base64("foobar") == R"("Zm9vYmFy")");
}

TEST_CASE("JSON: strings are escaped and invalid UTF-8 is replaced") {
  CHECK(in_quotes("plain") == R"("plain")");
  CHECK(in_quotes("a\"b\\c\nd\te\rf\bg\fh") == R"("a\"b\\c\nd\te\rf\bg\fh")");
  CHECK(in_quotes("\x01\x1f\0z"s) == R"("\u0001\u001f\u0000z")");
  CHECK(in_quotes("\x7f") == "\"\x7f\"");
  CHECK(in_quotes("é€😀") == "\"é€😀\"");
  const std::string bad = "\xef\xbf\xbd";
  CHECK(in_quotes("\xff") == '"' + bad + '"');
  CHECK(in_quotes("a\x80z") == "\"a" + bad + "z\"");
  CHECK(in_quotes("\xc3") == '"' + bad + '"');      // cut off
  CHECK(in_quotes("\xe2\x82") == '"' + bad + '"');  // one beginning: one replacement
  CHECK(in_quotes("\xe2\x82z") == '"' + bad + "z\"");
  CHECK(in_quotes("\xc0\xaf") == '"' + bad + bad + '"');                      // longer than needed
  CHECK(in_quotes("\xed\xa0\x80") == '"' + bad + bad + bad + '"');            // a surrogate
  CHECK(in_quotes("\xf4\x90\x80\x80") == '"' + bad + bad + bad + bad + '"');  // above U+10FFFF
  CHECK(in_quotes("\xf0\x9f\x98") == '"' + bad + '"');
}

TEST_CASE("JSON: what is written is read back") {
  Object object;
  object.set("a", Object::Array{nullptr, true, -5, uint64_t{UINT64_MAX}, 0.1, 1e300, "é\n\"\x01"});
  object.set("b", Object::Map{{Object(""), Object(Object::Map{})}});
  CHECK(from_json(to_json(object)) == object);
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 12, ' ');
    for (char& c : text) c = static_cast<char>(random());
    // Whatever the bytes, the result is JSON.
    CHECK(from_json(in_quotes(text)).is_string());
  }
}

TEST_CASE("JSON: numbers without point or exponent that fit are integers") {
  CHECK(from_json("12") == Object(12));
  CHECK(from_json("-9223372036854775808") == Object(INT64_MIN));
  CHECK(from_json("18446744073709551615") == Object(uint64_t{UINT64_MAX}));
  CHECK(from_json("18446744073709551616") == Object(18446744073709551616.0));
  CHECK(from_json("12.0") == Object(12.0));
  CHECK(from_json("1e2") == Object(100.0));
  CHECK(std::signbit(from_json("-0.0").as_float()));
}

TEST_CASE("JSON: of equal keys the last one counts") {
  CHECK(from_json(R"({"a":1,"b":2,"a":3})") == from_json(R"({"a":3,"b":2})"));
}

TEST_CASE("JSON: bad text is Invalid and names the byte") {
  for (const char* bad : {"", "{", "[1,]", "nul", "{\"a\" 1}", "\"\\x\"", "1 2", "\"\xff\"", "'a'",
                          "{\"a\":1,}", "[1", "+1", "01", "NaN", "1e999"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(from_json(bad), Invalid);
  }
  CHECK_THROWS_WITH(from_json("[1, x]"), Catch::StartsWith("not JSON at byte 5: "));
}

TEST_CASE("JSON: depth is bounded") {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK_NOTHROW(from_json(nested(kMaxDepth)));
  CHECK_THROWS_AS(from_json(nested(kMaxDepth + 1)), Invalid);
  CHECK_THROWS_AS(from_json(std::string(1'000'000, '[')), Invalid);
}

TEST_CASE(
    "Float text: the shortest that reads back the same in plain digits where people read them") {
  CHECK(show_float(3) == "3");
  CHECK(show_float(-0.0) == "-0");
  CHECK(show_float(0.1) == "0.1");
  CHECK(show_float(100000) == "100000");
  CHECK(show_float(1e20) == "100000000000000000000");
  CHECK(show_float(1e21) == "1e+21");
  CHECK(show_float(0.000001) == "0.000001");
  CHECK(show_float(1e-7) == "1e-07");
  CHECK(show_float(1.0 / 3) == "0.3333333333333333");
  CHECK(show_float(-1234567.25) == "-1234567.25");
  CHECK(show_float(std::nan("")) == "nan");
  CHECK(show_float(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(show_float(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(show_float(5e-324) == "5e-324");
}

TEST_CASE("Float text: every float reads back the same") {
  std::mt19937_64 random(11);
  for (int i = 0; i < 50'000; ++i) {
    const uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (i % 2 == 0) value = static_cast<double>(static_cast<int64_t>(bits)) / 100;
    if (!std::isfinite(value)) continue;
    const std::string text = show_float(value);
    REQUIRE(read_back(text) == value);
    REQUIRE(from_json(text).as_float() == value);
  }
}
