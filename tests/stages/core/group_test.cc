#include "stages/core/group.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

using Rows = StageTester::Rows;

const Schema kInput = {
    {"day", Type::kDate}, {"country", Type::kString}, {"qty", Type::kInt}, {"price", Type::kFloat}};

TEST_CASE("Group: every aggregate passes over nulls") {
  StageTester tester(stage_entry<Group>(),
                     R"(group:
  by: country
  rows: count()
  with_qty: count(qty)
  total: sum(qty)
  average: mean(qty)
  least: min(qty)
  most: max(price)
  different: distinct(qty)
  first: min(day)
)",
                     kInput);
  const auto result =
      tester.run({{{"country", "FR"}, {"qty", 4}, {"price", 1.5}, {"day", "2024-03-01"}},
                  {{"country", "DE"}, {"qty", nullptr}},
                  {{"country", "FR"}, {"qty", nullptr}, {"price", -2.0}, {"day", "2024-02-29"}},
                  {{"country", "FR"}, {"qty", 4}},
                  {{"country", "FR"}, {"qty", -1}}});
  REQUIRE(result.rows == Rows{{{"country", "DE"},
                               {"rows", 1},
                               {"with_qty", 0},
                               {"total", nullptr},
                               {"average", nullptr},
                               {"least", nullptr},
                               {"most", nullptr},
                               {"different", 0},
                               {"first", nullptr}},
                              {{"country", "FR"},
                               {"rows", 4},
                               {"with_qty", 3},
                               {"total", 7},
                               {"average", 7.0 / 3},
                               {"least", -1},
                               {"most", 1.5},
                               {"different", 2},
                               {"first", "2024-02-29"}}});
  REQUIRE(result.positions[0].file.empty());
}

TEST_CASE("Group: keys come out ascending with nulls first and '' apart from null") {
  StageTester tester(stage_entry<Group>(), "group: { by: [qty, country], n: count() }", kInput);
  const auto result = tester.run({{{"qty", 10}, {"country", "b"}},
                                  {{"qty", 9}, {"country", ""}},
                                  {{"qty", nullptr}, {"country", "z"}},
                                  {{"qty", 9}, {"country", nullptr}},
                                  {{"qty", -9}, {"country", "a"}},
                                  {{"qty", 9}, {"country", ""}}});
  REQUIRE(result.rows == Rows{{{"qty", nullptr}, {"country", "z"}, {"n", 1}},
                              {{"qty", -9}, {"country", "a"}, {"n", 1}},
                              {{"qty", 9}, {"country", nullptr}, {"n", 1}},
                              {{"qty", 9}, {"country", ""}, {"n", 2}},
                              {{"qty", 10}, {"country", "b"}, {"n", 1}}});
}

TEST_CASE("Group: without a key all rows are one group even if there are none") {
  StageTester tester(stage_entry<Group>(), "group: { n: count(), most: max(country) }", kInput);
  REQUIRE(tester.run({}).rows == Rows{{{"n", 0}, {"most", nullptr}}});
  REQUIRE(tester.run({{{"country", "a"}}, {{"country", "b"}}}).rows ==
          Rows{{{"n", 2}, {"most", "b"}}});
}

TEST_CASE("Group: with a key and no rows nothing comes out") {
  StageTester tester(stage_entry<Group>(), "group: { by: country, n: count() }", kInput);
  REQUIRE(tester.run({}).rows.empty());
}

TEST_CASE("Group: the key's columns alone give the different keys") {
  StageTester tester(stage_entry<Group>(), "group: { by: country }", kInput);
  REQUIRE(tester.run({{{"country", "b"}}, {{"country", "a"}}, {{"country", "b"}}}).rows ==
          Rows{{{"country", "a"}}, {{"country", "b"}}});
}

TEST_CASE("Group: a row on which an argument fails is rejected and counts nowhere") {
  StageTester tester(stage_entry<Group>(), "group: { by: country, n: count(), x: sum(100 // qty) }",
                     kInput);
  const auto result = tester.run({{{"country", "a"}, {"qty", 10}},
                                  {{"country", "a"}, {"qty", 0}},
                                  {{"country", "b"}, {"qty", 0}},
                                  {{"country", "a"}, {"qty", 50}}});
  REQUIRE(result.rows == Rows{{{"country", "a"}, {"n", 2}, {"x", 12}}});
  REQUIRE(result.rejects.size() == 2);
  REQUIRE(result.rejects[0].line == 2);
}

TEST_CASE("Group: integer sums are exact and one that does not fit in the end is a reject") {
  StageTester tester(stage_entry<Group>(), "group: { by: country, total: sum(qty) }", kInput);
  const auto result = tester.run({{{"country", "a"}, {"qty", INT64_MAX}},
                                  {{"country", "a"}, {"qty", INT64_MAX}},
                                  {{"country", "b"}, {"qty", INT64_MAX}},
                                  {{"country", "b"}, {"qty", INT64_MAX}},
                                  {{"country", "a"}, {"qty", INT64_MIN}},
                                  {{"country", "c"}, {"qty", 1}}});
  REQUIRE(result.rows ==
          Rows{{{"country", "a"}, {"total", INT64_MAX - 1}}, {{"country", "c"}, {"total", 1}}});
  REQUIRE(result.rejects.size() == 1);
  REQUIRE(result.rejects[0].raw == R"({"country":"b"})");
  REQUIRE(result.rejects[0].reason == "total: the sum does not fit an int");
}

TEST_CASE("Group: floats group minus zero with zero and NaN with NaN") {
  StageTester tester(stage_entry<Group>(), "group: { by: price, n: count(), d: distinct(price) }",
                     kInput);
  const auto result = tester.run(
      {{{"price", 0.0}}, {{"price", -0.0}}, {{"price", std::nan("")}}, {{"price", -std::nan("")}}});
  REQUIRE(result.rows.size() == 2);
  REQUIRE(result.rows[0] == StageTester::TestRow{{"price", 0.0}, {"n", 2}, {"d", 1}});
  REQUIRE(std::isnan(result.rows[1][0].second.as_float()));
  REQUIRE(result.rows[1][1].second == Object(2));
}

TEST_CASE("Group: many groups equal an independent computation") {
  StageTester tester(stage_entry<Group>(), R"(group:
  by: [country, day]
  n: count()
  total: sum(qty)
  revenue: sum(qty * price)
  least: min(price)
  d: distinct(qty)
)",
                     kInput);
  struct Expected {
    int64_t n = 0, total = 0;
    double revenue = 0, least = HUGE_VAL;
    std::set<int64_t> different;
  };
  std::map<std::pair<std::string, std::string>, Expected> expected;
  std::mt19937 random(1);
  Rows rows;
  for (int i = 0; i < 1500; ++i) {
    const std::string country = "c" + std::to_string(random() % 60);
    const std::string day = "2024-01-" + std::to_string(10 + random() % 9);
    const int64_t qty = random() % 7;
    const double price = static_cast<double>(random() % 10000) / 100;
    rows.push_back({{"day", day}, {"country", country}, {"qty", qty}, {"price", price}});
    Expected& group = expected[{country, day}];
    ++group.n;
    group.total += qty;
    group.revenue += static_cast<double>(qty) * price;
    group.least = std::min(group.least, price);
    group.different.insert(qty);
  }
  const auto result = tester.run(rows);
  REQUIRE(result.rows.size() == expected.size());
  size_t i = 0;
  for (const auto& [key, group] : expected) {
    const StageTester::TestRow row = {{"country", key.first},
                                      {"day", key.second},
                                      {"n", group.n},
                                      {"total", group.total},
                                      {"revenue", group.revenue},
                                      {"least", group.least},
                                      {"d", static_cast<int64_t>(group.different.size())}};
    REQUIRE(result.rows[i++] == row);
  }
}

TEST_CASE("Group: fields that are wrong are refused") {
  const auto make = [](const char* yaml) { StageTester(stage_entry<Group>(), yaml, kInput); };
  REQUIRE_THROWS_AS(make("group: { by: contry, n: count() }"), Invalid);
  REQUIRE_THROWS_AS(make("group: { by: country, n: total(qty) }"), Invalid);
  REQUIRE_THROWS_AS(make("group: { by: country, n: sum(country) }"), Invalid);
  REQUIRE_THROWS_AS(make("group: { by: country, n: qty }"), Invalid);
}

}  // namespace
}  // namespace towpath::core
