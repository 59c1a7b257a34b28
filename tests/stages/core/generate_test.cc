#include "stages/core/generate.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

constexpr const char* kAll = R"(generate:
  rows: 5000
  seed: 7
  columns:
    id: sequence
    from: sequence(-3)
    qty: int(0, 20)
    price: float(1.1, 100, 2)
    ratio: float(-1, 1)
    sold: bool(0.25)
    country: choice(DE, FR, 'New York, US')
    day: date(2024-01-01, 366)
    at: timestamp(2024-02-28T23:00:00Z, 86400)
    name: word(50)
    text: words(0 4 200)
)";

const StageTester::Rows& all_rows() {
  static const StageTester::Rows rows = StageTester(stage_entry<Generate>(), kAll).read().rows;
  return rows;
}

TEST_CASE("Generate: any batch size gives the same rows at the same positions") {
  StageTester tester(stage_entry<Generate>(), kAll);
  for (const uint64_t size : {1, 7, 65536}) {
    const auto result = tester.read(size);
    REQUIRE(result.rows == all_rows());
    REQUIRE(result.positions[4999].file == "generate");
    REQUIRE(result.positions[4999].line == 5000);
  }
}

TEST_CASE("Generate: every generator has its type and stays within its range") {
  StageTester tester(stage_entry<Generate>(), kAll);
  const Schema expected = {
      {"id", Type::kInt},         {"from", Type::kInt},    {"qty", Type::kInt},
      {"price", Type::kFloat},    {"ratio", Type::kFloat}, {"sold", Type::kBool},
      {"country", Type::kString}, {"day", Type::kDate},    {"at", Type::kTimestamp},
      {"name", Type::kString},    {"text", Type::kString}};
  REQUIRE(Generate::detect(Settings(
              Object(Object::Map{{"seed", 0}, {"columns", Object::Map{{"id", "sequence"}}}}),
              {})) == Schema{{"id", Type::kInt}});
  REQUIRE(tester.output() == expected);

  std::map<std::string, std::set<std::string>> seen;
  double least_price = 1e9;
  double most_price = 0;
  int sold = 0;
  int64_t row_number = 0;
  for (const auto& row : all_rows()) {
    ++row_number;
    std::map<std::string, Object> value(row.begin(), row.end());
    REQUIRE(value["id"].as_int() == row_number);
    REQUIRE(value["from"].as_int() == row_number - 4);
    REQUIRE((value["qty"].as_int() >= 0 && value["qty"].as_int() <= 20));
    const double price = value["price"].as_float();
    REQUIRE(price * 100 == Approx(std::round(price * 100)).epsilon(1e-12));
    least_price = std::min(least_price, price);
    most_price = std::max(most_price, price);
    REQUIRE(std::abs(value["ratio"].as_float()) <= 1);
    sold += value["sold"].as_bool() ? 1 : 0;
    seen["qty"].insert(std::to_string(value["qty"].as_int()));
    for (const char* name : {"country", "day", "at", "name", "text"}) {
      seen[name].insert(value[name].as_string());
    }
  }
  REQUIRE(seen["qty"].size() == 21);
  REQUIRE(least_price >= 1.1);
  REQUIRE(most_price <= 100);
  REQUIRE(most_price - least_price > 98);
  REQUIRE((sold > 1100 && sold < 1400));
  REQUIRE(seen["country"] == std::set<std::string>{"DE", "FR", "New York, US"});
  REQUIRE(seen["day"].size() == 366);
  REQUIRE(*seen["day"].begin() == "2024-01-01");
  REQUIRE(*seen["day"].rbegin() == "2024-12-31");
  REQUIRE(*seen["at"].begin() >= "2024-02-28T23:00:00Z");
  REQUIRE(*seen["at"].rbegin() <= "2024-02-29T22:59:59Z");
  REQUIRE(seen["name"].size() == 50);
  REQUIRE(seen["text"].count("") == 1);
}

TEST_CASE("Generate: a column more or in another place changes no other column") {
  StageTester one(stage_entry<Generate>(),
                  "generate: { rows: 100, columns: { a: \"int(0, 99)\" } }");
  StageTester two(stage_entry<Generate>(),
                  "generate: { rows: 100, columns: { b: bool, a: \"int(0, 99)\" } }");
  StageTester other(stage_entry<Generate>(),
                    "generate: { rows: 100, seed: 1, columns: { a: \"int(0, 99)\" } }");
  const auto rows = one.read().rows;
  const auto more = two.read().rows;
  for (size_t i = 0; i < rows.size(); ++i) REQUIRE(rows[i][0] == more[i][1]);
  REQUIRE(rows != other.read().rows);
}

TEST_CASE("Generate: no rows at all and integers of the whole range") {
  StageTester none(stage_entry<Generate>(), "generate: { rows: 0, columns: { a: sequence } }");
  REQUIRE(none.read().rows.empty());
  StageTester wide(stage_entry<Generate>(), R"(generate:
  rows: 64
  columns:
    a: int(-9223372036854775808, 9223372036854775807)
)");
  int negative = 0;
  for (const auto& row : wide.read().rows) negative += row[0].second.as_int() < 0 ? 1 : 0;
  REQUIRE((negative > 16 && negative < 48));
}

TEST_CASE("Generate: what is wrong with a column is told with the form wanted") {
  const auto what = [](std::string text) -> std::string {
    try {
      Generator::parse("qty", text, 0);
    } catch (const Invalid& error) {
      return error.what();
    }
    return {};
  };
  using Catch::Contains;
  REQUIRE_THAT(what("int(0)"), Contains("qty") && Contains("int(least, most)"));
  REQUIRE_THAT(what("int(5, 1)"), Contains("1 is not between 5"));
  REQUIRE_THAT(what("int(a, 1)"), Contains("\"a\" is not a whole number"));
  REQUIRE_THAT(what("int(0, 1"), Contains("closing parenthesis"));
  REQUIRE_THAT(what("int(0, 1) x"), Contains("behind the closing parenthesis"));
  REQUIRE_THAT(what("choice('a)"), Contains("closing quote"));
  REQUIRE_THAT(what("float(0, 1, 20)"), Contains("20 is not between 0 and 15"));
  REQUIRE_THAT(what("float(0.001, 0.002, 2)"), Contains("lies between"));
  REQUIRE_THAT(what("date(2024-02-30, 1)"), Contains("2024-12-31"));
  REQUIRE_THAT(what("intt(1, 2)"), Contains("there is no \"intt\""));
}

}  // namespace
}  // namespace towpath::core
