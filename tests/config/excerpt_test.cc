#include "towpath/config/excerpt.h"

#include <catch2/catch.hpp>

using namespace towpath;

TEST_CASE("Excerpt: the caret stands below what is meant, whatever is before it") {
  CHECK(show_excerpt("a: bad", 3, 3, "do x") == "a: bad\n   ^~~ do x\n");
  CHECK(show_excerpt("\ta: bad", 4, 3, "") == "\ta: bad\n\t   ^~~\n");
  CHECK(show_excerpt("\u00e4: bad", 4, 3, "") == "\u00e4: bad\n   ^~~\n");
  CHECK(show_excerpt("\u6f22\u5b57: bad", 8, 3, "") == "\u6f22\u5b57: bad\n      ^~~\n");
  CHECK(show_excerpt("e\u0301: bad", 5, 3, "") == "e\u0301: bad\n   ^~~\n");
  CHECK(show_excerpt("a: \u6f22", 3, 3, "") == "a: \u6f22\n   ^~\n");
  CHECK(show_excerpt("short", 90, 5, "") == "short\n     ^\n");
}

TEST_CASE("Excerpt: control characters are spelled out") {
  CHECK(printable("a\x1b[31m\n\u0085\xff\x7f") == "a\\x1b[31m\\x0a\\u0085\\xff\\x7f");
  CHECK(show_excerpt("a\x1b: bad", 4, 3, "") == "a\\x1b: bad\n       ^~~\n");
}

TEST_CASE("Excerpt: a wide line is cut around the caret") {
  const std::string wide(5000, 'x');
  for (const size_t at :
       {size_t{0}, size_t{40}, size_t{99}, size_t{100}, size_t{2500}, size_t{4996}}) {
    std::string line = wide;
    line.replace(at, 3, "BAD");
    const std::string shown = show_excerpt(line, at, 3, "");
    const size_t newline = shown.find('\n');
    const std::string text = shown.substr(0, newline), below = shown.substr(newline + 1);
    CHECK(display_width(text) <= 102);
    const size_t bad = text.find("BAD");
    REQUIRE(bad != std::string::npos);
    CHECK(display_width(text.substr(0, bad)) == below.find('^'));
    CHECK(text.ends_with("…") == (at < 4996));
    CHECK(text.starts_with("…") == (at > 97));
  }
  const std::string all = show_excerpt(wide, 10, 4900, "hint");
  CHECK(all.size() < 300);
  CHECK(all.ends_with("~ hint\n"));
}
