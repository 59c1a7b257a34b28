#include "stages/core/sort.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "stages/core/top.h"
#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

using Rows = StageTester::Rows;

const Schema kInput = {{"k", Type::kInt}, {"name", Type::kString}};

Rows shuffled(int count, int keys) {
  std::mt19937 random(3);
  Rows rows;
  for (int i = 0; i < count; ++i) {
    Object key = static_cast<int64_t>(random() % static_cast<unsigned>(keys));
    if (random() % 50 == 0) key = nullptr;
    rows.push_back({{"k", key}, {"name", "row " + std::to_string(i)}});
  }
  return rows;
}

bool key_less(const StageTester::TestRow& a, const StageTester::TestRow& b) {
  const Object& left = a[0].second;
  const Object& right = b[0].second;
  if (left.is_nil() || right.is_nil()) return left.is_nil() && !right.is_nil();
  return left.as_int() < right.as_int();
}

TEST_CASE("Sort: equal rows keep their order and nulls are least") {
  StageTester tester(stage_entry<Sort>(), "sort: k", kInput);
  const Rows rows = shuffled(1200, 30);
  Rows expected = rows;
  std::stable_sort(expected.begin(), expected.end(), key_less);
  const auto result = tester.run(rows);
  REQUIRE(result.rows == expected);
  // Row "row i" comes from line i + 1.
  REQUIRE("row " + std::to_string(result.positions[77].line - 1) ==
          result.rows[77][1].second.as_string());
  REQUIRE(result.positions[77].file == "in");
}

TEST_CASE("Sort: descending turns the order round but not that of equal rows") {
  StageTester tester(stage_entry<Sort>(), "sort: { by: [k desc] }", kInput);
  const Rows rows = shuffled(500, 20);
  Rows expected = rows;
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& a, const auto& b) { return key_less(b, a); });
  REQUIRE(tester.run(rows).rows == expected);
}

TEST_CASE("Sort: several columns and no rows") {
  StageTester tester(stage_entry<Sort>(), "sort: [name desc, k asc]", kInput);
  REQUIRE(tester.run({}).rows.empty());
  REQUIRE(
      tester.run({{{"k", 2}, {"name", "a"}}, {{"k", 1}, {"name", "a"}}, {{"k", 3}, {"name", "ab"}}})
          .rows ==
      Rows{{{"k", 3}, {"name", "ab"}}, {{"k", 1}, {"name", "a"}}, {{"k", 2}, {"name", "a"}}});
}

TEST_CASE("Sort: a column that is not there is refused") {
  REQUIRE_THROWS_AS(StageTester(stage_entry<Sort>(), "sort: z desc", kInput), Invalid);
  REQUIRE_THROWS_AS(StageTester(stage_entry<Sort>(), "sort: {}", kInput), Invalid);
}

TEST_CASE("Top: gives the first n rows of what sort gives") {
  const Rows rows = shuffled(1500, 900);
  for (const int n : {1, 20, 700, 5000}) {
    CAPTURE(n);
    StageTester tester(stage_entry<Top>(), "top: { n: " + std::to_string(n) + ", by: k desc }",
                       kInput);
    Rows expected = rows;
    std::stable_sort(expected.begin(), expected.end(),
                     [](const auto& a, const auto& b) { return key_less(b, a); });
    expected.resize(std::min<size_t>(expected.size(), static_cast<size_t>(n)));
    REQUIRE(tester.run(rows).rows == expected);
  }
}

TEST_CASE("Top: of equal rows those that came first are kept") {
  StageTester tester(stage_entry<Top>(), "top: { n: 3, by: k }", kInput);
  Rows rows;
  for (int i = 0; i < 1500; ++i) rows.push_back({{"k", 7}, {"name", std::to_string(i)}});
  const auto result = tester.run(rows);
  REQUIRE(result.rows == Rows(rows.begin(), rows.begin() + 3));
  REQUIRE(result.positions[2].line == 3);
}

TEST_CASE("Top: n out of its range or of the wrong type is refused") {
  const auto make = [](const char* yaml) { StageTester(stage_entry<Top>(), yaml, kInput); };
  REQUIRE_THROWS_AS(make("top: { n: 0, by: k }"), Invalid);
  REQUIRE_THROWS_AS(make("top: { n: 2000000000, by: k }"), Invalid);
  REQUIRE_THROWS_AS(make("top: { n: few, by: k }"), Invalid);
  REQUIRE_THROWS_AS(make("top: { n: 3 }"), Invalid);
}

}  // namespace
}  // namespace towpath::core
