#include "towpath/base/quantity.h"

#include <catch2/catch.hpp>
#include <cstdint>

#include "towpath/base/error.h"

using namespace towpath;

TEST_CASE("Quantity: sizes are read with binary and decimal units") {
  CHECK(parse_bytes("0") == 0);
  CHECK(parse_bytes("4096") == 4096);
  CHECK(parse_bytes("512B") == 512);
  CHECK(parse_bytes("64k") == 65536);
  CHECK(parse_bytes("64K") == 65536);
  CHECK(parse_bytes("512MiB") == 512u << 20);
  CHECK(parse_bytes("1G") == 1u << 30);
  CHECK(parse_bytes("1GB") == 1'000'000'000);
  CHECK(parse_bytes("1.5KiB") == 1536);
  CHECK(parse_bytes("2TiB") == uint64_t{2} << 40);
}

TEST_CASE("Quantity: what is no size is Invalid and shows the forms") {
  for (const char* bad : {"", "MiB", "12 MiB", "-1", "-1k", "1mb", "1KiBs", "0x10", "nan", "inf",
                          "99999999TiB", "1,5k"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_bytes(bad), Invalid);
  }
  CHECK_THROWS_WITH(parse_bytes("12x"),
                    "\"12x\" is not a size; write bytes, or a number with KiB, MiB or GiB");
}

TEST_CASE("Quantity: durations are read and a bare number is seconds") {
  CHECK(parse_duration("250ms") == Millis{250});
  CHECK(parse_duration("60s") == Millis{60'000});
  CHECK(parse_duration("60") == Millis{60'000});
  CHECK(parse_duration("0.5") == Millis{500});
  CHECK(parse_duration("5m") == Millis{300'000});
  CHECK(parse_duration("2h") == Millis{7'200'000});
  CHECK(parse_duration("1d") == Millis{86'400'000});
  for (const char* bad : {"", "s", "5 s", "-1s", "5min", "nan", "nanms", "1e30d"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_duration(bad), Invalid);
  }
}

TEST_CASE("Quantity: numbers are shown for people") {
  CHECK(show_bytes(0) == "0 B");
  CHECK(show_bytes(1023) == "1023 B");
  CHECK(show_bytes(1536) == "1.5 KiB");
  CHECK(show_bytes((1 << 20) - 100) == "1023.9 KiB");
  CHECK(show_bytes((1 << 20) - 1) == "1.0 MiB");
  CHECK(show_bytes((uint64_t{1} << 40) - 1) == "1.0 TiB");
  CHECK(show_bytes(uint64_t{3} << 30) == "3.0 GiB");
  CHECK(show_duration(Millis{1234}) == "1.2s");
  CHECK(show_duration(Millis{83'456}) == "1m23s");
  CHECK(show_duration(Millis{3'700'000}) == "1h01m");
  CHECK(show_count(0) == "0");
  CHECK(show_count(999) == "999");
  CHECK(show_count(1000) == "1,000");
  CHECK(show_count(-123) == "-123");
  CHECK(show_count(-1'234'567) == "-1,234,567");
  CHECK(show_count(INT64_MIN) == "-9,223,372,036,854,775,808");
}

TEST_CASE("Nearest: a typing error finds the name that was meant") {
  constexpr std::string_view kNames[] = {"filter", "map", "workers", "from"};
  const auto find = [&](std::string_view word) {
    return nearest(word, std::begin(kNames), std::end(kNames));
  };
  CHECK(find("fitler") == "filter");
  CHECK(find("filtr") == "filter");
  CHECK(find("worker") == "workers");
  CHECK(find("form") == "from");
  CHECK(find("filter") == "filter");
  CHECK(find("sqlite").empty());
  CHECK(find("").empty());
  CHECK(find(std::string(10'000, 'f')).empty());
  CHECK(nearest("a", std::begin(kNames), std::begin(kNames)).empty());
}
