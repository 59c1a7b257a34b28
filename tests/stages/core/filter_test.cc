#include "stages/core/filter.h"

#include <catch2/catch.hpp>

#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

using Rows = StageTester::Rows;

const Schema kInput = {{"qty", Type::kInt}, {"country", Type::kString}};

TEST_CASE("Filter: keeps the rows where the condition is true and neither false nor null ones") {
  StageTester tester(stage_entry<Filter>(), "filter: qty > 0 and country != ''", kInput);
  const auto result = tester.run({{{"qty", 2}, {"country", "DE"}},
                                  {{"qty", 0}, {"country", "DE"}},
                                  {{"qty", nullptr}, {"country", "DE"}},
                                  {{"qty", 3}, {"country", ""}},
                                  {{"qty", 4}, {"country", "FR"}}});
  REQUIRE(result.rows == Rows{{{"qty", 2}, {"country", "DE"}}, {{"qty", 4}, {"country", "FR"}}});
  REQUIRE(result.rejects.empty());
  REQUIRE(result.positions[1].file == "in");
  REQUIRE(result.positions[1].line == 5);
}

TEST_CASE("Filter: a row on which the condition fails is rejected with its place") {
  StageTester tester(stage_entry<Filter>(), "filter: { where: 10 // qty > 1 }", kInput);
  const auto result = tester.run({{{"qty", 2}}, {{"qty", 0}}, {{"qty", 9}}, {{"qty", 4}}});
  REQUIRE(result.rows.size() == 2);
  REQUIRE(result.rejects.size() == 1);
  REQUIRE(result.rejects[0].file == "in");
  REQUIRE(result.rejects[0].line == 2);
  REQUIRE(result.rejects[0].raw == R"({"qty":0,"country":null})");
}

TEST_CASE("Filter: takes a param by its name") {
  StageTester tester(stage_entry<Filter>(), "filter: qty >= $least", kInput);
  tester.param("least", 3);
  REQUIRE(tester.run({{{"qty", 2}}, {{"qty", 3}}}).rows ==
          Rows{{{"qty", 3}, {"country", nullptr}}});
}

TEST_CASE("Filter: a condition that is not a bool or is missing is refused") {
  REQUIRE_THROWS_AS(StageTester(stage_entry<Filter>(), "filter: qty + 1", kInput), Invalid);
  REQUIRE_THROWS_AS(StageTester(stage_entry<Filter>(), "filter: quantity > 1", kInput), Invalid);
  REQUIRE_THROWS_AS(StageTester(stage_entry<Filter>(), "filter: {}", kInput), Invalid);
}

}  // namespace
}  // namespace towpath::core
