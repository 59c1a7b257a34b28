#include "towpath/expr/expression.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/expr/support.h"

using namespace towpath;
using testing::result;
using testing::results;
using testing::rows;
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

Type type_of(std::string_view text) {
  return Expression::compile(text, sample().schema(), {}).type();
}

}  // namespace

TEST_CASE("Expression: operators bind and compute as written") {
  check({
      {"i + 1", "8"},
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"i - j - 1", "8"},
      {"i - (j - 1)", "10"},
      {"2 * 3 // 4 * 5", "5"},
      {"-i", "-7"},
      {"- -i", "7"},
      {"-i * 2", "-14"},
      {"i * 0.5", "3.5"},
      {"i / 2", "3.5"},
      {"i > 5 and j < 0", "true"},
      {"i > 5 and j > 0 or b", "true"},
      {"i > 5 and (j > 0 or not b)", "false"},
      {"not i > 5 or b", "true"},
      {"not b == false", "true"},
      {"not not b", "true"},
      {"b", "true"},
      {"`weird name` + 1", "43"},
      {".5 + 1e2", "100.5"},
      {"1.5e-3 * 1000", "1.5"},
      {"'it''s'", "'it's'"},
      {"  i\n+\t1  ", "8"},
  });
}

TEST_CASE("Expression: floor division and modulo follow Python") {
  check({
      {"7 // 2", "3"},
      {"-7 // 2", "-4"},
      {"7 // -2", "-4"},
      {"-7 // -2", "3"},
      {"7 % 3", "1"},
      {"-7 % 3", "2"},
      {"7 % -3", "-2"},
      {"-7 % -3", "-1"},
      {"f // 2", "1"},
      {"-f // 2", "-2"},
      {"-f % 2.0", "1.5"},
      {"f % -2", "-1.5"},
      {"6 % 3.0", "0"},
      {"i // -1", "-7"},
      {"i % -1", "0"},
      {"1.0 // 0.1", "9"},
      {"6 / 3", "2"},
      {"-6 // 4.0", "-2"},
  });
}

TEST_CASE("Expression: integers are exact or fail their row") {
  const Batch ints = rows({{"x", Type::kInt}, {"y", Type::kInt}}, {{INT64_MAX, int64_t{1}},
                                                                   {INT64_MIN, int64_t{-1}},
                                                                   {int64_t{5}, int64_t{0}},
                                                                   {nullptr, int64_t{0}}});
  using List = std::vector<std::string>;
  CHECK(results("x + y", ints) ==
        List{"error: integer overflow in x + y", "error: integer overflow in x + y", "5", "null"});
  CHECK(results("x - y", ints) == List{"9223372036854775806", "-9223372036854775807", "5", "null"});
  CHECK(results("x * y", ints) ==
        List{"9223372036854775807", "error: integer overflow in x * y", "0", "null"});
  CHECK(results("x // y", ints) == List{"9223372036854775807", "error: integer overflow in x // y",
                                        "error: division by zero in x // y", "null"});
  CHECK(results("x % y", ints) == List{"0", "0", "error: division by zero in x % y", "null"});
  CHECK(results("x / y", ints) == List{"9223372036854775808", "9223372036854775808",
                                       "error: division by zero in x / y", "null"});
  CHECK(results("-x", ints) ==
        List{"-9223372036854775807", "error: integer overflow in -x", "-5", "null"});
  CHECK(results("abs(x)", ints) ==
        List{"9223372036854775807", "error: integer overflow in abs(x)", "5", "null"});
  CHECK(results("(x + y) * 2 > 0", ints)[0] == "error: integer overflow in x + y");
  CHECK(result("-9223372036854775808 + i", sample()) == "-9223372036854775801");
}

TEST_CASE("Expression: comparisons") {
  check({
      {"i == 7", "true"},
      {"i != 7", "false"},
      {"i < 8", "true"},
      {"8 < i", "false"},
      {"i >= 7.0", "true"},
      {"i == 7.5", "false"},
      {"i < 7.5", "true"},
      {"7.5 > i", "true"},
      {"f > i", "false"},
      {"i > f", "true"},
      {"t == 'abc'", "true"},
      {"t != 'abd'", "true"},
      {"t < 'abd'", "true"},
      {"t >= 'abcd'", "false"},
      {"t == ''", "false"},
      {"s != ''", "true"},
      {"t == s", "false"},
      {"b == true", "true"},
      {"b != (i > 3)", "false"},
      {"d == '2024-02-29'", "true"},
      {"d < '2024-02-29T00:00:01Z'", "true"},
      {"'2024-01-01' < d", "true"},
      {"at >= '2024-02-29'", "true"},
      {"at == '2024-02-29 12:34:56.25'", "true"},
      {"at == d", "false"},
      {"d < at", "true"},
      {"date('2024-02-29') == d", "true"},
      {"raw == 'ab'", "false"},
  });
}

TEST_CASE("Expression: an int and a float compare by their exact values") {
  const Batch in = rows({{"i", Type::kInt}, {"f", Type::kFloat}},
                        {{int64_t{9007199254740993}, 9007199254740992.0},
                         {INT64_MAX, 9223372036854775808.0},
                         {INT64_MIN, -9223372036854775808.0},
                         {int64_t{3}, 3.5},
                         {int64_t{-3}, -3.5},
                         {int64_t{0}, -0.0},
                         {int64_t{1}, std::numeric_limits<double>::quiet_NaN()},
                         {int64_t{1}, std::numeric_limits<double>::infinity()}});
  const auto yes = [&in](std::string_view text) {
    std::string bits;
    for (const std::string& value : results(text, in)) bits += value == "true" ? '1' : '0';
    return bits;
  };
  CHECK(yes("i == f") == "00100100");
  CHECK(yes("f == i") == "00100100");
  CHECK(yes("i != f") == "11011011");
  CHECK(yes("i < f") == "01010001");
  CHECK(yes("f > i") == "01010001");
  CHECK(yes("i <= f") == "01110101");
  CHECK(yes("i > f") == "10001000");
  CHECK(yes("f < i") == "10001000");
  CHECK(yes("i >= f") == "10101100");
  CHECK(yes("i in (9007199254740992.0, 3.0, 0.5)") == "00010000");
  CHECK(yes("f in (9007199254740993, 0)") == "00000100");
  CHECK(yes("f == f") == "11111101");
}

TEST_CASE("Expression: null follows SQL") {
  check({
      {"null_i + 1", "null"},
      {"null_i == 1", "null"},
      {"null_i == null_i", "null"},
      {"-null_i", "null"},
      {"not null_b", "null"},
      {"null_b and true", "null"},
      {"null_b and false", "false"},
      {"false and null_b", "false"},
      {"null_b or true", "true"},
      {"null_b or false", "null"},
      {"b and null_b", "null"},
      {"b or null_b", "true"},
      {"null_i is null", "true"},
      {"null_i is not null", "false"},
      {"i is null", "false"},
      {"null is null", "true"},
      {"(i > 3) is not null", "true"},
      {"null_i in (1, 2)", "null"},
      {"i in (1, null)", "null"},
      {"i in (7, null)", "true"},
      {"i not in (1, null)", "null"},
      {"i not in (7, null)", "false"},
      {"null_s not in ('a')", "null"},
      {"null_s == ''", "null"},
      {"upper(null_s)", "null"},
      {"concat(t, null_s)", "null"},
      {"null_f * 2 + i", "null"},
      {"int(null)", "null"},
      {"i + null", "null"},
      {"null_d < '2024-01-01'", "null"},
      {"round(null_f, 2)", "null"},
      {"min(1, null_i)", "null"},
  });
}

TEST_CASE("Expression: in looks for constants and for columns") {
  check({
      {"t in ('x', 'abc')", "true"},
      {"t not in ('x', 'abc')", "false"},
      {"t in ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'abc')", "true"},
      {"t in ('a', 'ab', 'abcd', 'abcdefghi')", "false"},
      {"s in ('Ünïcode', 'long enough to differ')", "true"},
      {"i in (1, 2.5, 7.0)", "true"},
      {"i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)", "true"},
      {"i in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11)", "false"},
      {"i in (j, 7)", "true"},
      {"i in (j, null_i)", "null"},
      {"7 in (i, j)", "true"},
      {"1 in (1, 2)", "true"},
      {"f in (2.5)", "true"},
      {"d in ('2024-02-29', '2024-03-01')", "true"},
      {"at in ('2024-02-29')", "false"},
      {"d in ('2024-02-29T00:00:00Z')", "true"},
      {"b in (true)", "true"},
      {"t in (s, 'abc')", "true"},
      {"i + 1 in (8)", "true"},
  });
}

TEST_CASE("Expression: conditions evaluate only what a row needs") {
  const Batch in = rows({{"x", Type::kInt}, {"s", Type::kString}},
                        {{int64_t{0}, "a"}, {int64_t{2}, "12"}, {nullptr, nullptr}});
  using List = std::vector<std::string>;
  CHECK(results("x != 0 and 10 // x > 1", in) == List{"false", "true", "null"});
  CHECK(results("x == 0 or 10 // x > 1", in) == List{"true", "true", "null"});
  CHECK(results("10 // x > 1 and x != 0", in) ==
        List{"error: division by zero in 10 // x", "true", "null"});
  CHECK(results("if(x == 0, -1, 10 // x)", in) == List{"-1", "5", "null"});
  CHECK(results("if(s == 'a', 0, int(s))", in) == List{"0", "12", "null"});
  CHECK(results("coalesce(x, int(s))", in) == List{"0", "2", "null"});
  CHECK(results("coalesce(nullif(x, 2), int(s))", in) == List{"0", "12", "null"});
  CHECK(results("coalesce(int(s), x)", in) ==
        List{"error: int('a'): not an integer", "12", "null"});
  CHECK(results("int(s) is null", in) == List{"error: int('a'): not an integer", "false", "true"});
  CHECK(results("int(s) + 10 // x", in)[0] == "error: int('a'): not an integer");
}

TEST_CASE("Expression: if coalesce nullif") {
  check({
      {"if(b, i, j)", "7"},
      {"if(not b, i, j)", "-2"},
      {"if(null_b, i, j)", "-2"},
      {"if(b, i, f)", "7"},
      {"if(i > 3, 'big', 'small')", "'big'"},
      {"if(i < 3, 'big', t)", "'abc'"},
      {"if(b, null, i)", "null"},
      {"if(i > 3, null_i, i)", "null"},
      {"if(i < 3, b, i == 7)", "true"},
      {"if(i > 3, d, '2000-01-01')", "2024-02-29"},
      {"if(i > 3, d, at)", "2024-02-29T00:00:00Z"},
      {"if(true, i, 0)", "7"},
      {"coalesce(null_i, i)", "7"},
      {"coalesce(null_i, null_f, 1)", "1"},
      {"coalesce(null_s, 'none')", "'none'"},
      {"coalesce(null_b, false)", "false"},
      {"coalesce(null_i, null)", "null"},
      {"nullif(i, 7)", "null"},
      {"nullif(i, 8)", "7"},
      {"nullif(t, '')", "'abc'"},
      {"nullif(null_i, 7)", "null"},
      {"nullif(i, null_i)", "7"},
      {"nullif(d, '2024-02-29')", "null"},
  });
}

TEST_CASE("Expression: params are typed constants and never text") {
  Bindings bindings;
  bindings.params["n"] = Object(int64_t{3});
  bindings.params["x"] = Object(0.5);
  bindings.params["s"] = Object("abc' or true or '");
  bindings.params["flag"] = Object(true);
  bindings.params["day"] = Object("2024-01-01");
  bindings.params["none"] = Object();
  CHECK(result("i + $n", sample(), bindings) == "10");
  CHECK(result("i * $x", sample(), bindings) == "3.5");
  CHECK(result("t == $s", sample(), bindings) == "false");
  CHECK(result("$s", sample(), bindings) == "'abc' or true or ''");
  CHECK(result("$flag and b", sample(), bindings) == "true");
  CHECK(result("d > $day", sample(), bindings) == "true");
  CHECK(result("coalesce($none, i)", sample(), bindings) == "7");
  CHECK(result("i == $none", sample(), bindings) == "null");
}

TEST_CASE("Expression: now is the run's start and random a hash of seed and row") {
  Bindings bindings;
  bindings.now_micros = 1'709'210'096'000'000;
  bindings.seed = 42;
  CHECK(result("now()", sample(), bindings) == "2024-02-29T12:34:56Z");
  CHECK(result("date(now()) == d", sample(), bindings) == "true");

  const Batch in = rows({{"x", Type::kInt}}, std::vector<std::vector<Object>>(
                                                 10'000, std::vector<Object>{Object(int64_t{1})}));
  const auto values = [&bindings](const Batch& batch) {
    Expression expression = Expression::compile("random()", batch.schema(), bindings);
    ColumnBuilder out(Type::kFloat);
    std::vector<RowError> errors;
    expression.run(batch, out, errors);
    std::vector<double> numbers;
    for (int64_t i = 0; i < batch.rows(); ++i) numbers.push_back(out.view().float_at(i));
    return numbers;
  };
  const auto first = values(in);
  CHECK(first == values(in));
  double sum = 0;
  for (const double value : first) {
    REQUIRE((value >= 0 && value < 1));
    sum += value;
  }
  CHECK(sum == Approx(5000).margin(150));
  // By the row's number on its edge: a batch that starts later goes on where the other would be.
  CHECK(values(in.leased(0, "", 9'999))[0] == first[9'999]);
  CHECK(values(in.leased(0, "", 5'000))[4'999] == first[9'999]);
  bindings.seed = 43;
  CHECK(first != values(in));
  CHECK(result("random() == random()", sample(), bindings) == "false");
}

TEST_CASE("Expression: types are known when it is compiled") {
  CHECK(type_of("i + 1") == Type::kInt);
  CHECK(type_of("i + 1.0") == Type::kFloat);
  CHECK(type_of("i / 1") == Type::kFloat);
  CHECK(type_of("i // 1") == Type::kInt);
  CHECK(type_of("i > 1") == Type::kBool);
  CHECK(type_of("if(b, i, f)") == Type::kFloat);
  CHECK(type_of("if(b, d, at)") == Type::kTimestamp);
  CHECK(type_of("get(o, 'a')") == Type::kObject);
  CHECK(type_of("date_trunc('month', d)") == Type::kDate);
  CHECK(type_of("date_trunc('month', at)") == Type::kTimestamp);
  CHECK(type_of("raw") == Type::kBinary);
  CHECK(type_of("round(f)") == Type::kFloat);
  CHECK(type_of("round(i)") == Type::kInt);
}

TEST_CASE("Expression: names the columns it reads once each") {
  const Expression expression =
      Expression::compile("i + j * i + length(`t`)", sample().schema(), {});
  CHECK(expression.columns() == std::vector<std::string>{"i", "j", "t"});
  CHECK(expression.text() == "i + j * i + length(`t`)");
}

TEST_CASE("Expression: a batch that has other columns or types is refused") {
  Expression expression = Expression::compile("i + 1", sample().schema(), {});
  ColumnBuilder out(Type::kInt);
  std::vector<RowError> errors;
  CHECK_THROWS_AS(expression.run(rows({{"x", Type::kInt}}, {{int64_t{1}}}), out, errors), Invalid);
  CHECK_THROWS_AS(expression.run(rows({{"i", Type::kString}}, {{"1"}}), out, errors), Invalid);
  expression.run(rows({{"x", Type::kString}, {"i", Type::kInt}}, {{"a", int64_t{1}}}), out, errors);
  CHECK(out.view().int_at(0) == 2);
  expression.run(rows({{"i", Type::kInt}}, {}), out, errors);
  CHECK(out.rows() == 0);
}

TEST_CASE("Expression: batches longer than a chunk keep rows and errors in place") {
  std::vector<std::vector<Object>> values;
  for (int64_t i = 0; i < 10'001; ++i) {
    values.push_back({i % 7 == 0 ? Object() : Object(i),
                      i % 1000 == 999 ? Object("bad") : Object("5"), i % 3 == 0});
  }
  const Batch in = rows({{"x", Type::kInt}, {"s", Type::kString}, {"b", Type::kBool}}, values);
  const auto sums = results("x + int(s)", in);
  const auto texts = results("concat(upper(s), '!')", in);
  const auto flags = results("b and x > 100", in);
  const auto plain = results("s", in);
  const auto chosen = results("if(b, x, -1)", in);
  for (size_t i = 0; i < values.size(); ++i) {
    INFO(i);
    const bool null = i % 7 == 0;
    const std::string sum = i % 1000 == 999 ? "error: int('bad'): not an integer"
                            : null          ? "null"
                                            : std::to_string(i + 5);
    REQUIRE(sums[i] == sum);
    REQUIRE(texts[i] == (i % 1000 == 999 ? "'BAD!'" : "'5!'"));
    const std::string flag = i % 3 != 0 ? "false" : null ? "null" : i > 100 ? "true" : "false";
    REQUIRE(flags[i] == flag);
    REQUIRE(plain[i] == (i % 1000 == 999 ? "'bad'" : "'5'"));
    REQUIRE(chosen[i] == (i % 3 != 0 ? "-1" : null ? "null" : std::to_string(i)));
  }
}

TEST_CASE("Expression: slots of nulls and of failed rows hold zero") {
  const Batch in = rows({{"x", Type::kInt}, {"s", Type::kString}},
                        {{nullptr, "1"}, {INT64_MAX, "x"}, {int64_t{1}, "3"}});
  for (const char* text : {"x + 5", "(x + 1) * 2.0", "int(s) + 1", "x == 0 or x + 1 == 0"}) {
    INFO(text);
    Expression expression = Expression::compile(text, in.schema(), {});
    ColumnBuilder out(expression.type());
    std::vector<RowError> errors;
    expression.run(in, out, errors);
    const Column column = out.view();
    for (int64_t i = 0; i < column.rows; ++i) {
      if (!column.is_null(i)) continue;
      if (column.type == Type::kBool) {
        CHECK_FALSE(column.bool_at(i));
      } else if (column.type == Type::kFloat) {
        CHECK(column.float_at(i) == 0.0);
      } else {
        CHECK(column.int_at(i) == 0);
      }
    }
  }
}
