#include "stages/core/map.h"

#include <catch2/catch.hpp>

#include "stages/core/select.h"
#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

using Rows = StageTester::Rows;

const Schema kInput = {{"a", Type::kInt}, {"b", Type::kInt}, {"name", Type::kString}};

TEST_CASE("Map: adds and replaces columns and keeps the others in place") {
  StageTester tester(stage_entry<Map>(), "map:\n  c: a * b\n  name: upper(name)", kInput);
  REQUIRE(tester.output() ==
          Schema{{"a", Type::kInt}, {"b", Type::kInt}, {"name", Type::kString}, {"c", Type::kInt}});
  const auto result = tester.run({{{"a", 2}, {"b", 3}, {"name", "x"}}, {{"a", 4}, {"b", nullptr}}});
  REQUIRE(result.rows == Rows{{{"a", 2}, {"b", 3}, {"name", "X"}, {"c", 6}},
                              {{"a", 4}, {"b", nullptr}, {"name", nullptr}, {"c", nullptr}}});
  REQUIRE(result.positions[1].line == 2);
}

TEST_CASE("Map: all entries see the row as it came in") {
  StageTester tester(stage_entry<Map>(), "map:\n  a: b\n  b: a", kInput);
  const auto result = tester.run({{{"a", 1}, {"b", 2}, {"name", "x"}}});
  REQUIRE(result.rows == Rows{{{"a", 2}, {"b", 1}, {"name", "x"}}});
}

TEST_CASE("Map: each random is its own and the same again") {
  const std::string yaml = "map:\n  a: random()\n  b: random()\n  name: random() - random()";
  const Rows first =
      StageTester(stage_entry<Map>(), yaml, kInput).run({{{"a", 1}}, {{"a", 1}}}).rows;
  REQUIRE(first[0][0].second != first[0][1].second);
  REQUIRE(first[0][2].second != Object(0.0));
  REQUIRE(first[0][0].second != first[1][0].second);
  REQUIRE(StageTester(stage_entry<Map>(), yaml, kInput).run({{{"a", 1}}, {{"a", 1}}}).rows ==
          first);
}

TEST_CASE("Map: a column can change its type") {
  StageTester tester(stage_entry<Map>(), "map: { a: string(a) }", kInput);
  REQUIRE(tester.run({{{"a", 1}}}).rows == Rows{{{"a", "1"}, {"b", nullptr}, {"name", nullptr}}});
}

TEST_CASE("Map: a row on which any entry fails is rejected whole and only once") {
  StageTester tester(stage_entry<Map>(), "map:\n  c: a // b\n  d: b // a", kInput);
  Rows rows;
  for (int i = 0; i < 100; ++i) rows.push_back({{"a", i % 10}, {"b", i % 4}, {"name", "n"}});
  const auto result = tester.run(rows);
  size_t kept = 0;
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 0 || i % 4 == 0) continue;
    REQUIRE(result.rows[kept][3].second == Object((i % 10) / (i % 4)));
    REQUIRE(result.rows[kept][4].second == Object((i % 4) / (i % 10)));
    REQUIRE(result.positions[kept].line == i + 1);
    ++kept;
  }
  REQUIRE(result.rows.size() == kept);
  REQUIRE(result.rejects.size() == 100 - kept);
}

TEST_CASE("Map: an expression that is wrong is refused") {
  REQUIRE_THROWS_AS(StageTester(stage_entry<Map>(), "map: { c: a + name }", kInput), Invalid);
  REQUIRE_THROWS_AS(StageTester(stage_entry<Map>(), "map: {}", kInput), Invalid);
}

TEST_CASE("Select: keeps the columns named in the order named") {
  StageTester tester(stage_entry<Select>(), "select: [name, a]", kInput);
  REQUIRE(tester.output() == Schema{{"name", Type::kString}, {"a", Type::kInt}});
  const auto result = tester.run({{{"a", 1}, {"b", 2}, {"name", "x"}}});
  REQUIRE(result.rows == Rows{{{"name", "x"}, {"a", 1}}});
  REQUIRE(result.positions[0].line == 1);
}

TEST_CASE("Select: a map renames and drops all other columns") {
  StageTester tester(stage_entry<Select>(), "select: { who: name, a: b }", kInput);
  REQUIRE(tester.output() == Schema{{"who", Type::kString}, {"a", Type::kInt}});
  REQUIRE(tester.run({{{"a", 1}, {"b", 2}, {"name", "x"}}}).rows == Rows{{{"who", "x"}, {"a", 2}}});
}

TEST_CASE("Select: columns kept and computed ones go together") {
  StageTester tester(stage_entry<Select>(), "select:\n  columns: [b]\n  c: 10 // a", kInput);
  const auto result =
      tester.run({{{"a", 2}, {"b", 5}}, {{"a", 0}, {"b", 6}}, {{"a", 5}, {"b", 7}}});
  REQUIRE(result.rows == Rows{{{"b", 5}, {"c", 5}}, {{"b", 7}, {"c", 2}}});
  REQUIRE(result.rejects.size() == 1);
}

TEST_CASE("Select: a column that is not there is refused") {
  REQUIRE_THROWS_AS(StageTester(stage_entry<Select>(), "select: [nmae]", kInput), Invalid);
  REQUIRE_THROWS_AS(StageTester(stage_entry<Select>(), "select: { x: nmae }", kInput), Invalid);
}

}  // namespace
}  // namespace towpath::core
