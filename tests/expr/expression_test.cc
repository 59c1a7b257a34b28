#include "towpath/expr/expression.h"

#include <catch2/catch.hpp>

#include "tests/expr/support.h"

using namespace towpath;
using testing::result;
using testing::sample;

namespace {
struct Case {
  const char* text;
  const char* expected;
};
void check(std::initializer_list<Case> cases) {
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK(result(text, sample()) == expected);
  }
}
}  // namespace

TEST_CASE("Expression: operators bind and compute as written") {
  check({
      {"i + 1", "8"},
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"i - j - 1", "8"},
      {"-i", "-7"},
      {"- -i", "7"},
      {"i * 0.5", "3.5"},
      {"i / 2", "3.5"},
      {"i // 2", "3"},
      {"-i // 2", "-4"},
      {"-i % 4", "1"},
      {"i % -4", "-1"},
      {"f // 2", "1"},
      {"-f % 2.0", "1.5"},
      {"i > 5 and j < 0", "true"},
      {"not i > 5 or b", "true"},
      {"not b == false", "true"},
      {"i == 7.0", "true"},
      {"f > i", "false"},
      {"s != ''", "true"},
      {"t == 'abc'", "true"},
      {"t in ('x', 'abc')", "true"},
      {"t not in ('x', 'abc')", "false"},
      {"i in (1, 2.5, 7.0)", "true"},
      {"i is null", "false"},
      {"null_i is null", "true"},
      {"null_i is not null", "false"},
      {"`weird name`", "42"},
      {"d == '2024-02-29'", "true"},
      {"d < '2024-02-29T00:00:01Z'", "true"},
      {"at >= '2024-02-29'", "true"},
      {"at == d", "false"},
  });
}
