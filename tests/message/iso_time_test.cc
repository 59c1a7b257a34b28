#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "towpath/message/json.h"

using namespace towpath;

namespace {

std::string show_date(int32_t days) {
  std::string out;
  append_date(out, days);
  return out;
}

std::string show_time(int64_t micros) {
  std::string out;
  append_timestamp(out, micros);
  return out;
}

std::optional<int32_t> date(std::string_view text) {
  int32_t days = 0;
  return read_date(text, days) ? std::optional(days) : std::nullopt;
}

std::optional<int64_t> time_of(std::string_view text) {
  int64_t micros = 0;
  return read_timestamp(text, micros) ? std::optional(micros) : std::nullopt;
}

constexpr int64_t kSecond = 1'000'000;

}  // namespace

TEST_CASE("Date: it is days since 1970 in the proleptic Gregorian calendar") {
  CHECK(show_date(0) == "1970-01-01");
  CHECK(show_date(-1) == "1969-12-31");
  CHECK(show_date(19782) == "2024-02-29");
  CHECK(show_date(-719528) == "0000-01-01");
  CHECK(show_date(-719529) == "-0001-12-31");
  CHECK(show_date(2932896) == "9999-12-31");
  CHECK(show_date(2932897) == "+10000-01-01");
  CHECK(date("1582-10-10") == -141432);  // a day that the Gregorian reform left out
  CHECK(date("1900-03-01") == -25508);
}

TEST_CASE("Date: each in range reads back the same") {
  for (int32_t days = -800'000; days < 3'000'000; days += 97) {
    REQUIRE(date(show_date(days)) == days);
  }
  for (int32_t days = -1000; days < 20'000; ++days) REQUIRE(date(show_date(days)) == days);
  CHECK(date(show_date(INT32_MAX)) == INT32_MAX);
  CHECK(date(show_date(INT32_MIN)) == INT32_MIN);
}

TEST_CASE("Date: what is no day is refused") {
  for (const char* bad : {"",
                          "2024",
                          "2024-02",
                          "2024-02-30",
                          "2023-02-29",
                          "1900-02-29",
                          "2024-13-01",
                          "2024-00-01",
                          "2024-01-00",
                          "2024-1-1",
                          "24-01-01",
                          "2024-01-01 ",
                          " 2024-01-01",
                          "2024/01/01",
                          "20240101",
                          "2024-01-0a",
                          "12024-01-01",
                          "+999-01-01",
                          "+99999999-01-01",
                          "-9999999-01-01",
                          "2024-01-01T00:00:00Z",
                          "٢٠٢٤-01-01"}) {
    CAPTURE(bad);
    CHECK_FALSE(date(bad));
  }
  CHECK(date("2000-02-29"));
  CHECK(date("+2024-02-29") == 19782);
}

TEST_CASE("Timestamp: it is written in UTC with a fraction only when there is one") {
  CHECK(show_time(0) == "1970-01-01T00:00:00Z");
  CHECK(show_time(-1) == "1969-12-31T23:59:59.999999Z");
  CHECK(show_time(250'000) == "1970-01-01T00:00:00.25Z");
  CHECK(show_time(1) == "1970-01-01T00:00:00.000001Z");
  CHECK(show_time(19782 * 86400 * kSecond + 45000 * kSecond) == "2024-02-29T12:30:00Z");
}

TEST_CASE("Timestamp: the forms that people write are read") {
  const int64_t noon = (19782 * 86400 + 45000) * kSecond;
  CHECK(time_of("2024-02-29T12:30:00Z") == noon);
  CHECK(time_of("2024-02-29 12:30:00") == noon);
  CHECK(time_of("2024-02-29T12:30") == noon);
  CHECK(time_of("2024-02-29T12:30Z") == noon);
  CHECK(time_of("2024-02-29T14:30:00+02:00") == noon);
  CHECK(time_of("2024-02-29T00:00:00-12:30") == noon);
  CHECK(time_of("2024-03-01T00:15:00+11:45") == noon);
  CHECK(time_of("2024-02-29T12:30:00.5Z") == noon + 500'000);
  CHECK(time_of("2024-02-29T12:30:00.000001") == noon + 1);
  CHECK(time_of("2024-02-29T12:30:00.123456000Z") == noon + 123'456);
  CHECK(time_of("2024-02-29T12:30:00.1234560000000000000000000000000Z") == noon + 123'456);
}

TEST_CASE("Timestamp: what is finer than a microsecond is not read, but asked for cut") {
  const int64_t noon = (19782 * 86400 + 45000) * kSecond;
  for (const char* fine : {"2024-02-29T12:30:00.123456789Z", "2024-02-29T12:30:00.1234561",
                           "2024-02-29T12:30:00.1234560000000000000000000000001Z"}) {
    CAPTURE(fine);
    CHECK_FALSE(time_of(fine));
    int64_t micros = 0;
    bool finer = false;
    CHECK(read_timestamp(fine, micros, &finer));
    CHECK(finer);
    CHECK(micros == noon + 123'456);
  }
  int64_t micros = 0;
  bool finer = true;
  CHECK(read_timestamp("2024-02-29T12:30:00.1234560Z", micros, &finer));
  CHECK_FALSE(finer);
}

TEST_CASE("Timestamp: what is no time is refused") {
  for (const char* bad : {"",
                          "2024-02-29",
                          "2024-02-29T",
                          "2024-02-29T12",
                          "2024-02-29T12:3",
                          "2024-02-29T24:00:00Z",
                          "2024-02-29T12:60:00Z",
                          "2024-02-29T12:30:60Z",
                          "2024-02-29T12:30:00z",
                          "2024-02-29t12:30:00Z",
                          "2024-02-29T12:30:00.Z",
                          "2024-02-29T12:30:00ZZ",
                          "2024-02-29T12:30:00+2",
                          "2024-02-29T12:30:00+0200",
                          "2024-02-29T12:30:00+24:00",
                          "2024-02-29T12:30:00+02:60",
                          "2024-02-29  12:30:00",
                          "2024-02-30T12:30:00Z",
                          "2024-02-29T12:30:00 Z",
                          "+294248-01-01T00:00:00Z"}) {
    CAPTURE(bad);
    CHECK_FALSE(time_of(bad));
  }
}

TEST_CASE("Timestamp: each reads back the same to the ends of its range") {
  std::mt19937_64 random(4);
  for (int i = 0; i < 20'000; ++i) {
    const auto micros = static_cast<int64_t>(random() >> (random() % 40)) * (i % 2 == 0 ? 1 : -1);
    REQUIRE(time_of(show_time(micros)) == micros);
  }
  for (const int64_t micros : {INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1}) {
    CAPTURE(show_time(micros));
    CHECK(time_of(show_time(micros)) == micros);
  }
  CHECK_FALSE(time_of("+294247-01-10T04:00:54.775808Z"));  // one microsecond more than there is
  CHECK_FALSE(time_of("-290308-12-21T19:59:05.224191Z"));
}
