#include "towpath/message/text_value.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <initializer_list>

using namespace towpath;

namespace {

Type guess(std::initializer_list<const char*> texts) {
  TypeGuess guess;
  for (const char* text : texts) guess.see(text);
  return guess.type();
}

}  // namespace

TEST_CASE("Text value: all of a text must read") {
  int64_t integer = 0;
  CHECK(read_int("-12", integer));
  CHECK(integer == -12);
  CHECK(read_int("007", integer));
  CHECK(integer == 7);
  CHECK(read_int("9223372036854775807", integer));
  for (const char* bad : {"", " 1", "1 ", "+1", "1.0", "0x1", "9223372036854775808", "one"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_int(bad, integer));
  }
  double real = 0;
  CHECK(read_float("-2.5", real));
  CHECK(real == -2.5);
  CHECK(read_float("1e9", real));
  CHECK(read_float("nan", real));
  CHECK(std::isnan(real));
  for (const char* bad : {"", " 1", "1 ", "+1", "1,5", "1e999", "0x1p3"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_float(bad, real));
  }
  bool flag = false;
  CHECK(read_bool("TRUE", flag));
  CHECK(flag);
  CHECK(read_bool("False", flag));
  CHECK_FALSE(flag);
  CHECK_FALSE(read_bool("1", flag));
  CHECK_FALSE(read_bool("", flag));
}

TEST_CASE("Type guess: the narrowest type that all texts have") {
  CHECK(guess({}) == Type::kString);
  CHECK(guess({"1", "-20"}) == Type::kInt);
  CHECK(guess({"1", "2.5"}) == Type::kFloat);
  CHECK(guess({"1e3", "0.5"}) == Type::kFloat);
  CHECK(guess({"true", "false"}) == Type::kBool);
  CHECK(guess({"2024-02-29"}) == Type::kDate);
  CHECK(guess({"2024-02-29T12:30:00Z", "2024-02-29 12:30"}) == Type::kTimestamp);
  CHECK(guess({"1", "x"}) == Type::kString);
  CHECK(guess({"x", "1"}) == Type::kString);
  CHECK(guess({"2024-02-29", "2024-02-29T12:30:00Z"}) == Type::kString);
  CHECK(guess({"1", "true"}) == Type::kString);
}

TEST_CASE("Type guess: numbers that would not come back as written stay texts") {
  CHECK(guess({"007"}) == Type::kString);
  CHECK(guess({"0", "10"}) == Type::kInt);
  CHECK(guess({"99999999999999999999"}) == Type::kString);
  CHECK(guess({"1.5", "nan"}) == Type::kString);
  CHECK(guess({"-0.5", "00.5"}) == Type::kString);
}
