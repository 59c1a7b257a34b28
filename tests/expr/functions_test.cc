// The functions of the language, one table a family: expression → result.
#include "towpath/expr/functions.h"

#include <catch2/catch.hpp>

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

}  // namespace

TEST_CASE("Functions: numbers") {
  check({
      {"abs(j)", "2"},
      {"abs(-f)", "2.5"},
      {"floor(f)", "2"},
      {"floor(-f)", "-3"},
      {"ceil(f)", "3"},
      {"ceil(i)", "7"},
      {"round(f)", "3"},
      {"round(-f)", "-3"},
      {"round(i)", "7"},
      {"min(i, j)", "-2"},
      {"max(i, j, 9)", "9"},
      {"max(i, f)", "7"},
      {"min(t, 'abb')", "'abb'"},
      {"max(t, s)", "'Ünïcode'"},
      {"min(d, '2023-01-01')", "2023-01-01"},
      {"max(d, at)", "2024-02-29T12:34:56.25Z"},
      {"pow(2, 10)", "1024"},
      {"pow(j, 3)", "-8"},
      {"pow(f * 0, 0)", "1"},
      {"pow(i - 7, -1)", "error: division by zero in pow(i - 7, -1)"},
      {"pow(j, 0.5)", "error: no real result in pow(j, 0.5)"},
      {"sqrt(i + 2)", "3"},
      {"sqrt(j)", "error: sqrt(-2): the argument is negative"},
      {"log(exp(f))", "2.5"},
      {"log(i - 7)", "error: log(0): the argument is not positive"},
      {"exp(0)", "1"},
      {"exp(i * 1000)", "inf"},
  });
}

TEST_CASE("Functions: round is decimal, half away from zero") {
  const Batch in = rows({{"x", Type::kFloat}, {"n", Type::kInt}},
                        {{2.675, int64_t{2}},
                         {-2.675, int64_t{2}},
                         {1.005, int64_t{2}},
                         {0.285, int64_t{2}},
                         {0.125, int64_t{2}},
                         {1.115, int64_t{2}},
                         {2.5, int64_t{0}},
                         {-0.5, int64_t{0}},
                         {1234.5, int64_t{-2}},
                         {1250.0, int64_t{-2}},
                         {1e300, int64_t{2}},
                         {1e300, int64_t{-301}},
                         {9.999, int64_t{2}},
                         {0.05, int64_t{1}},
                         {0.04, int64_t{1}},
                         {0.5, int64_t{-1}},
                         {123456789.123456789, int64_t{400}},
                         {123456789.123456789, int64_t{-400}},
                         {1e-7, int64_t{7}},
                         {0.1 + 0.2, int64_t{15}},
                         {99.995, int64_t{2}},
                         {std::numeric_limits<double>::infinity(), int64_t{2}},
                         {5e-324, int64_t{323}}});
  CHECK(results("round(x, n)", in) == std::vector<std::string>{"2.68",
                                                               "-2.68",
                                                               "1.01",
                                                               "0.29",
                                                               "0.13",
                                                               "1.12",
                                                               "3",
                                                               "-1",
                                                               "1200",
                                                               "1300",
                                                               "1e+300",
                                                               "0",
                                                               "10",
                                                               "0.1",
                                                               "0",
                                                               "0",
                                                               "123456789.12345679",
                                                               "0",
                                                               "1e-07",

                                                               "0.3",
                                                               "100",
                                                               "inf",
                                                               "1e-323"});
  const Batch ints = rows({{"x", Type::kInt}, {"n", Type::kInt}}, {{int64_t{1250}, int64_t{-2}},
                                                                   {int64_t{-1250}, int64_t{-2}},
                                                                   {int64_t{1249}, int64_t{-2}},
                                                                   {int64_t{5}, int64_t{3}},
                                                                   {INT64_MAX, int64_t{-1}},
                                                                   {INT64_MAX, int64_t{-18}},
                                                                   {INT64_MAX, int64_t{-19}},
                                                                   {int64_t{5}, int64_t{-25}}});
  CHECK(results("round(x, n)", ints) ==
        std::vector<std::string>{"1300", "-1300", "1200", "5",
                                 "error: integer overflow in round(x, n)", "9000000000000000000",
                                 "error: integer overflow in round(x, n)", "0"});
}

TEST_CASE("Functions: texts") {
  check({
      {"upper(t)", "'ABC'"},
      {"upper(s)", "'ÜNïCODE'"},
      {"lower('ABC[]`{@Z')", "'abc[]`{@z'"},
      {"upper('abc[]`{@z')", "'ABC[]`{@Z'"},
      {"trim('  a b\t\n')", "'a b'"},
      {"trim('   ')", "''"},
      {"length(s)", "7"},
      {"length('')", "0"},
      {"length('a€b𝄞 and quite a bit more ü')", "27"},
      {"length(raw)", "2"},
      {"substr(s, 1, 3)", "'Ünï'"},
      {"substr(s, 4)", "'code'"},
      {"substr(s, -4)", "'code'"},
      {"substr(s, -4, 2)", "'co'"},
      {"substr(t, 0, 2)", "'a'"},
      {"substr(t, 0)", "'abc'"},
      {"substr(t, -5, 3)", "'a'"},
      {"substr(t, 2, 0)", "''"},
      {"substr(t, 9)", "''"},
      {"substr(t, 2, 9223372036854775807)", "'bc'"},
      {"substr(t, 1, j)", "error: the length is negative in substr(t, 1, j)"},
      {"replace(t, 'b', 'xyz')", "'axyzc'"},
      {"replace('aaaa', 'aa', 'b')", "'bb'"},
      {"replace(t, '', 'x')", "'abc'"},
      {"replace(t, 'abc', '')", "''"},
      {"split_part('a-b-c', '-', 1)", "'a'"},
      {"split_part('a-b-c', '-', 2)", "'b'"},
      {"split_part('a-b-c', '-', 3)", "'c'"},
      {"split_part('a-b-c', '-', 4)", "''"},
      {"split_part('a-b-c', '-', -1)", "'c'"},
      {"split_part('a-b-c', '-', -3)", "'a'"},
      {"split_part('a-b-c', '-', -4)", "''"},
      {"split_part('a--c', '-', 2)", "''"},
      {"split_part(t, ', ', 1)", "'abc'"},
      {"split_part(t, '', 1)", "'abc'"},
      {"split_part(t, 'b', i - 7)",
       "error: parts are counted from 1, or from -1 backwards, in split_part(t, 'b', i - 7)"},
      {"concat(t, '-', t)", "'abc-abc'"},
      {"concat(t)", "'abc'"},
      {"contains(t, 'bc')", "true"},
      {"contains(t, '')", "true"},
      {"contains(t, 'cb')", "false"},
      {"contains('xabcx', t)", "true"},
      {"starts_with(t, 'ab')", "true"},
      {"starts_with(t, 'abcd')", "false"},
      {"ends_with(t, 'bc')", "true"},
      {"ends_with(t, 'ab')", "false"},
      {"lpad(string(i), 3, '0')", "'007'"},
      {"lpad(t, 2)", "'ab'"},
      {"lpad(t, 5)", "'  abc'"},
      {"lpad(s, 10, 'äö')", "'äöäÜnïcode'"},
      {"lpad(t, 5, '')", "'abc'"},
      {"lpad(t, j)", "''"},
      {"lpad(t, i * 1000000)", "error: a width above 1048576 in lpad(t, i * 1000000)"},
  });
}

TEST_CASE("Functions: patterns are RE2's") {
  check({
      {"matches(t, 'b')", "true"},
      {"matches(t, '^b')", "false"},
      {"matches(t, '^[a-c]+$')", "true"},
      {"matches(s, '(?i)CODE')", "true"},
      {"matches(s, '^.n.code$')", "true"},
      {"matches('', '^$')", "true"},
      {"extract('qty=42;', '([0-9]+)')", "'42'"},
      {"extract('qty=42;', '[0-9]+')", "'42'"},
      {"extract('qty=42;', '(\\w+)=(\\d+)', 2)", "'42'"},
      {"extract('qty=42;', '(\\w+)=(\\d+)', 0)", "'qty=42'"},
      {"extract(t, 'x(.)')", "null"},
      {"extract(t, 'a(x)?')", "null"},
      {"extract(t, 'a(x*)')", "''"},
      {"extract(null_s, 'x')", "null"},
      {"matches(null_s, 'x')", "null"},
  });
}

TEST_CASE("Functions: dates and timestamps") {
  check({
      {"year(d)", "2024"},
      {"month(d)", "2"},
      {"day(d)", "29"},
      {"year(at)", "2024"},
      {"hour(at)", "12"},
      {"minute(at)", "34"},
      {"year('1969-12-31')", "1969"},
      {"hour('1969-12-31T23:59:59Z')", "23"},
      {"minute('1969-12-31T23:59:59Z')", "59"},
      {"date_trunc('year', d)", "2024-01-01"},
      {"date_trunc('quarter', date('2024-12-31'))", "2024-10-01"},
      {"date_trunc('month', d)", "2024-02-01"},
      {"date_trunc('week', d)", "2024-02-26"},
      {"date_trunc('week', '1969-12-31')", "1969-12-29"},
      {"date_trunc('day', at)", "2024-02-29T00:00:00Z"},
      {"date_trunc('hour', at)", "2024-02-29T12:00:00Z"},
      {"date_trunc('minute', at)", "2024-02-29T12:34:00Z"},
      {"date_trunc('second', at)", "2024-02-29T12:34:56Z"},
      {"date_trunc('month', at)", "2024-02-01T00:00:00Z"},
      {"date_trunc('year', '1901-05-05T01:02:03Z')", "1901-01-01T00:00:00Z"},
      {"date_diff('day', '2024-02-28', d)", "1"},
      {"date_diff('day', d, '2024-02-28')", "-1"},
      {"date_diff('day', '2024-02-28T23:59:00Z', at)", "1"},
      {"date_diff('hour', d, at)", "12"},
      {"date_diff('minute', '2024-02-29T12:33:59Z', at)", "1"},
      {"date_diff('second', '1969-12-31T23:59:58Z', '1970-01-01T00:00:01Z')", "3"},
      {"date_diff('month', '2023-12-31', d)", "2"},
      {"date_diff('quarter', '2023-12-31', d)", "1"},
      {"date_diff('year', '2023-12-31', d)", "1"},
      {"date_diff('week', '2024-02-25', '2024-02-26')", "1"},
      {"date_diff('day', d, null)", "null"},
      {"year(null_d)", "null"},
  });
}

TEST_CASE("Functions: every day of four centuries comes back from its year, month and day") {
  std::vector<std::vector<Object>> values;
  BatchBuilder builder({{"d", Type::kDate}});
  for (int32_t day = -800; day < 146'097; ++day) {
    builder.add_row_without_position();
    builder.column(0).put_date(day);
  }
  const Batch in = builder.to_batch();
  const auto text = results("string(d)", in);
  const auto made = results(
      "concat(lpad(string(year(d)), 4, '0'), '-', lpad(string(month(d)), 2, '0'), '-', "
      "lpad(string(day(d)), 2, '0'))",
      in);
  CHECK(text == made);
}

TEST_CASE("Functions: casts") {
  check({
      {"int('42')", "42"},
      {"int(' -42\t')", "-42"},
      {"int('+42')", "42"},
      {"int('9223372036854775807')", "9223372036854775807"},
      {"int('-9223372036854775808')", "-9223372036854775808"},
      {"int(f)", "2"},
      {"int(-f)", "-2"},
      {"int(b)", "1"},
      {"int(i)", "7"},
      {"int(t)", "error: int('abc'): not an integer"},
      {"int(concat(string(i), '.5'))", "error: int('7.5'): not an integer"},
      {"int(concat('+', string(j)))", "error: int('+-2'): not an integer"},
      {"int(substr(t, 9))", "error: int(''): not an integer"},
      {"int(concat('1', lpad('', 30, '0'), substr(t, 9)))",
       "error: int('1000000000000000000000000000000'): out of an int's range"},
      {"int(f * 1e300)", "error: int(2.5e+300): out of an int's range"},
      {"float('2.5')", "2.5"},
      {"float(' 1e3 ')", "1000"},
      {"float('-inf')", "-inf"},
      {"float('nan')", "nan"},
      {"float(i)", "7"},
      {"float(b)", "1"},
      {"float(t)", "error: float('abc'): not a number"},
      {"string(i)", "'7'"},
      {"string(f)", "'2.5'"},
      {"string(1.0 * i)", "'7'"},
      {"string(0.1 + 0.2)", "'0.30000000000000004'"},
      {"string(b)", "'true'"},
      {"string(d)", "'2024-02-29'"},
      {"string(at)", "'2024-02-29T12:34:56.25Z'"},
      {"string(t)", "'abc'"},
      {"length(string(raw))", "2"},
      {"bool('true')", "true"},
      {"bool('False')", "false"},
      {"bool('1')", "true"},
      {"bool(i)", "true"},
      {"bool(f - 2.5)", "false"},
      {"bool(t)", "error: bool('abc'): neither true nor false"},
      {"date('2024-02-29')", "2024-02-29"},
      {"date(at)", "2024-02-29"},
      {"date(string(at))", "2024-02-29"},
      {"date('1969-12-31T23:00:00Z')", "1969-12-31"},
      {"date(t)", "error: date('abc'): not a date"},
      {"date(concat('2023-02-29', substr(t, 9)))", "error: date('2023-02-29'): not a date"},
      {"timestamp(d)", "2024-02-29T00:00:00Z"},
      {"timestamp('2024-02-29T12:00:00+02:00')", "2024-02-29T10:00:00Z"},
      {"timestamp(t)", "error: timestamp('abc'): not a timestamp"},
      {"timestamp('2024-02-29T12:00:00.1234560Z')", "2024-02-29T12:00:00.123456Z"},
      {"timestamp(concat('2024-02-29T12:00:00.1234567', substr(t, 9)))",
       "error: timestamp('2024-02-29T12:00:00.1234567'): finer than a microsecond, which no "
       "timestamp is"},
      {"date('2024-02-29T12:00:00.1234567Z')", "2024-02-29"},
      {"timestamp(i)", "1970-01-01T00:00:07Z"},
      {"timestamp(f)", "1970-01-01T00:00:02.5Z"},
      {"timestamp(i * 1000000000000000000)",
       "error: timestamp out of range in timestamp(i * 1000000000000000000)"},
      {"int(at)", "1709210096"},
      {"float(at)", "1709210096.25"},
      {"timestamp(float(at)) == at", "true"},
      {"int(timestamp('1969-12-31T23:59:59.5Z'))", "-1"},
  });
}

TEST_CASE("Functions: get walks into an object and casts type what it finds") {
  check({
      {"int(get(o, 'a', 'b', 0))", "10"},
      {"string(get(o, 'a', 'b', 1))", "'x'"},
      {"string(get(o, 'a', 'b', -1))", "'x'"},
      {"string(get(o, 'a'))", "'{\"b\":[10,\"x\"]}'"},
      {"get(o, 'a', 'b')", "[10,\"x\"]"},
      {"get(o, 'missing')", "null"},
      {"get(o, 'n')", "null"},
      {"get(o, 'n', 'deeper')", "null"},
      {"get(o, 'f', 'deeper')", "null"},
      {"get(o, 'a', 'b', 2)", "null"},
      {"get(o, 'a', 'b', -3)", "null"},
      {"get(o, t)", "null"},
      {"float(get(o, 'f'))", "1.5"},
      {"int(get(o, 'f'))", "1"},
      {"date(get(o, 't'))", "2024-03-01"},
      {"timestamp(get(o, 't'))", "2024-03-01T00:00:00Z"},
      {"bool(get(o, 'f'))", "true"},
      {"int(get(o, 'missing'))", "null"},
      {"int(get(o, 'a'))", "error: int({\"b\":[10,\"x\"]}): not an integer"},
      {"int(get(o, 'a', 'b', 1))", "error: int(\"x\"): not an integer"},
      {"get(o, 'n') is null", "true"},
      {"coalesce(int(get(o, 'n')), i)", "7"},
  });
}

TEST_CASE("Functions: hash is XXH3 of the values") {
  check({
      {"hash('') == hash(substr(t, 9))", "true"},
      {"hash(t) == hash('abc')", "true"},
      {"hash(i) == hash(7)", "true"},
      {"hash(i, t) == hash(7, 'abc')", "true"},
      {"hash(i, t) == hash(t, i)", "false"},
      {"hash(f * 0) == hash(f * -0.0)", "true"},
      {"hash(null_i)", "null"},
      {"hash(i) % 64 >= 0", "true"},
      // echo -n abc | xxhsum -H3
      {"hash('abc')", "8696274497037089104"},
  });
}
