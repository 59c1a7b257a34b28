// What `check` says of an expression that is wrong: where, what, and how to mend it.
#include <catch2/catch.hpp>

#include "tests/expr/support.h"
#include "towpath/base/format.h"

using namespace towpath;
using testing::sample;

namespace {

// The message with the bytes it points at marked: "i + «x»: no column …"; the hint after " | ".
std::string complaint(std::string_view text) {
  try {
    Expression::compile(text, sample().schema(), {});
  } catch (const ExpressionError& error) {
    const std::string_view rest = text.substr(error.offset());
    REQUIRE(error.offset() + error.length() <= text.size());
    return format("{}«{}»{}: {}{}{}", text.substr(0, error.offset()),
                  rest.substr(0, error.length()), rest.substr(error.length()), error.what(),
                  error.hint().empty() ? "" : " | ", error.hint());
  }
  return "compiles";
}

struct Case {
  const char* text;
  const char* expected;
};
void check(std::initializer_list<Case> cases) {
  for (const auto& [text, expected] : cases) CHECK(complaint(text) == expected);
}

}  // namespace

TEST_CASE("Errors: a text that is no expression points at the byte") {
  check({
      {"", "«»: the expression is empty"},
      {"  ", "«»  : the expression is empty"},
      {"i +", "i +«»: the expression ends where a value is wanted"},
      {"i + * 2", "i + «*» 2: * stands where a value is wanted"},
      {"(i + 1", "«(»i + 1: ( is never closed"},
      {"i + 1)", "i + 1«)»: ) stands where an operator is wanted"},
      {"i j", "i «j»: j stands where an operator is wanted"},
      {"b AND b", "b «AND» b: AND stands where an operator is wanted | did you mean and?"},
      {"i = 7", "i «=» 7: = is not an operator here | write == to compare"},
      {"i <> 7", "i «<>» 7: <> is not an operator here | write != for not equal"},
      {"b && b", "b «&&» b: && is not an operator here | write and"},
      {"!b", "«!»b: ! is not an operator here | write not"},
      {"t == \"abc\"",
       "t == «\"»abc\": \" is not an operator here | texts stand in single quotes: 'like this'"},
      {"t == 'abc",
       "t == «'abc»: the text has no closing ' | a quote within a text is written twice: 'it''s'"},
      {"`i + 1", "«`i + 1»: the column name has no closing `"},
      {"`` + 1", "«``» + 1: a column's name stands between backticks"},
      {"i # 2", "i «#» 2: unexpected #"},
      {"1st + 1",
       "«1st» + 1: 1st is not a number | a column name that begins with a digit stands in "
       "backticks: `1st`"},
      {"1.2.3",
       "«1.2.3»: 1.2.3 is not a number | a column name that begins with a digit stands in "
       "backticks: `1st`"},
      {"9223372036854775808",
       "«9223372036854775808»: 9223372036854775808 is out of an int's range | write it as a float: "
       "9223372036854775808.0"},
      {"1e999", "«1e999»: 1e999 is out of a float's range"},
      {"$", "«$»: a param's name must follow $"},
      {"1 < i < 3", "1 < i «<» 3: comparisons can't be chained | write a < b and b < c"},
      {"i in 3", "i in «3»: 3 stands where a list in parentheses is wanted"},
      {"i in ()", "i in («)»: ) stands where a value is wanted"},
      {"i is 3", "i is «3»: 3 stands where null is wanted"},
      {"upper(t", "upper«(»t: ( is never closed"},
      {"upper(t,)", "upper(t,«)»: ) stands where a value is wanted"},
      {"upper(t t)", "upper(t «t»): t stands where ) or an operator is wanted"},
  });
}

TEST_CASE("Errors: unknown names get the nearest known one") {
  check({
      {"i + null_x", "i + «null_x»: no column \"null_x\" | did you mean null_i?"},
      {"`weird nam`", "«`weird nam`»: no column \"weird nam\" | did you mean weird name?"},
      {"uper(t)", "«uper»(t): no function \"uper\" | did you mean upper?"},
      {"i + sum(j)",
       "i + «sum»(j): no function \"sum\" | a sum over rows belongs in a group stage"},
      {"len(t)", "«len»(t): no function \"len\" | did you mean length?"},
      {"i + $min", "i + «$min»: no param \"min\" | name it under params:"},
      {"date_trunc('moth', d)",
       "date_trunc(«'moth'», d): date_trunc: no unit 'moth' | did you mean 'month'?"},
  });
  CHECK(complaint("xyzzyplugh(t)").find("| functions: abs bool ceil") != std::string::npos);
}

TEST_CASE("Errors: types that don't fit name a cast that would do") {
  check({
      {"i + t", "i + «t»: + takes numbers; t is a string | to join texts, write concat(a, b)"},
      {"i * t", "i * «t»: * takes numbers; t is a string | write int(t) or float(t)"},
      {"i + (t)", "i + «(t)»: + takes numbers; t is a string | to join texts, write concat(a, b)"},
      {"d - d", "«d» - d: - takes numbers; d is a date | write date_diff('day', from, to)"},
      {"-t", "«-t»: - of a string; it takes a number"},
      {"b and i", "b and «i»: and takes conditions; i is an int | write i != 0"},
      {"not t", "not «t»: not takes conditions; t is a string"},
      {"i == t", "«i == t»: i is an int and t is a string: they can't be compared | write int(t)"},
      {"d == i", "«d == i»: d is a date and i is an int: they can't be compared"},
      {"b < b", "«b < b»: bools have no order | write == or !=, or the condition itself"},
      {"get(o, 'a') == 3",
       "«get(o, 'a') == 3»: get(o, 'a') is an object and 3 is an int: they can't be compared | "
       "write int(get(o, 'a'))"},
      {"i == null", "«i == null»: a comparison with null is never true | write is null"},
      {"i != null", "«i != null»: a comparison with null is never true | write is not null"},
      {"d == '2024-02-30'",
       "d == «'2024-02-30'»: '2024-02-30' is not a date | dates read like 2024-02-29"},
      {"at < 'x'",
       "at < «'x'»: 'x' is not a timestamp | timestamps read like 2024-02-29T12:30:00Z"},
      {"at < '2024-02-29T12:00:00.1234567Z'",
       "at < «'2024-02-29T12:00:00.1234567Z'»: '2024-02-29T12:00:00.1234567Z' is finer than a "
       "microsecond, which no timestamp is | leave out all but six digits of the second"},
      {"i in (1, 'x')",
       "«i in (1, 'x')»: i is an int and 'x' is a string: they can't be compared | write int('x')"},
      {"if(i, 1, 2)", "if(«i», 1, 2): if: argument 1 is an int; it takes a bool | write bool(i)"},
      {"if(b, i, t)",
       "«if(b, i, t)»: i is an int and t is a string: they have no type in common in if | write "
       "int(t)"},
      {"upper(i)", "upper(«i»): upper: argument 1 is an int; it takes a string | write string(i)"},
      {"sqrt(t)",
       "sqrt(«t»): sqrt: argument 1 is a string; it takes a number | write int(t) or float(t)"},
      {"hour(d)", "hour(«d»): hour: argument 1 is a date; it takes a timestamp"},
      {"year(t)",
       "year(«t»): year: argument 1 is a string; it takes a date or timestamp | write date(t) or "
       "timestamp(t)"},
      {"int(d)",
       "«int(d)»: an int can't be made of a date | year, month, day and date_diff take "
       "dates"},
      {"null", "«null»: a null of no type | write its type: int(null)"},
      {"min(b, b)", "min(«b», b): min: argument 1 is a bool; it takes values that have an order"},
  });
}

TEST_CASE("Errors: wrong numbers of arguments show the signature") {
  check({
      {"round()", "«round()»: round takes 1 to 2 arguments, not 0 | write round(x[, digits])"},
      {"upper(t, t)", "«upper(t, t)»: upper takes 1 argument, not 2 | write upper(text)"},
      {"1 + if(b, 1)",
       "1 + «if(b, 1)»: if takes 3 arguments, not 2 | write if(condition, then, else)"},
      {"concat()", "«concat()»: concat takes at least 1 argument, not 0 | write concat(a, b, …)"},
      {"min(i)", "«min(i)»: min takes at least 2 arguments, not 1 | write min(a, b, …)"},
      {"now(1)", "«now(1)»: now takes 0 arguments, not 1 | write now()"},
  });
}

TEST_CASE("Errors: what is constant is refused before the run") {
  check({
      {"i + 1 // 0", "i + «1 // 0»: division by zero in 1 // 0"},
      {"9223372036854775807 + 1",
       "«9223372036854775807 + 1»: integer overflow in "
       "9223372036854775807 + 1"},
      {"i + int('x1')", "i + «int('x1')»: int('x1'): not an integer"},
      {"matches(t, s)", "matches(t, «s»): matches: the pattern must be a constant text"},
      {"matches(t, '(')",
       "matches(t, «'('»): '(' is not a regular expression: missing ): ( | the syntax is RE2's"},
      {"extract(t, '(a)', 2)",
       "extract(t, '(a)', «2»): extract: the pattern has 1 group | group 0 is the whole match"},
      {"date_trunc(t, d)", "date_trunc(«t», d): date_trunc: the unit must be a constant text"},
      {"date_trunc('hour', d)",
       "«date_trunc('hour', d)»: date_trunc: a date has no hours | write timestamp(d)"},
  });
}

TEST_CASE("Errors: depth and size are bounded") {
  const auto repeated = [](std::string_view part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  CHECK(complaint(repeated("(", 100) + "i" + repeated(")", 100)) == "compiles");
  CHECK(
      complaint(repeated("(", 101) + "i" + repeated(")", 101)).ends_with("deeper than 100 levels"));
  CHECK(complaint(repeated("- ", 30'000)).ends_with("deeper than 100 levels"));
  CHECK(complaint(repeated("not ", 15'000) + "b").ends_with("deeper than 100 levels"));
  CHECK(complaint(repeated("abs(", 90) + "i" + repeated(")", 90)) == "compiles");
  CHECK(complaint(repeated("abs(", 101) + "i").ends_with("deeper than 100 levels"));
  CHECK(complaint("i" + repeated("+i", 900)) == "compiles");
  CHECK(complaint("i" + repeated("+i", 1100)).ends_with("a chain of more than 1000 operators"));
  CHECK(complaint("b" + repeated(" and b", 9000)) == "compiles");
  CHECK(complaint("i in (1" + repeated(",1", 9'999) + ")") == "compiles");
  CHECK(complaint("i in (1" + repeated(",1", 10'000) + ")").ends_with("more than 10000 values"));
  CHECK(complaint(repeated(" ", 70'000) + "i").ends_with("70001 bytes; allowed are 65536"));
}

TEST_CASE("Errors: any bytes compile or are refused with a place inside the text") {
  uint64_t state = 7;
  const auto next = [&state](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  const std::string_view pieces[] = {
      "i",    "f",    "t",  "b",   "d",   "(",      ")",         ",",          "+",    "-",
      "*",    "//",   "%",  "==",  "<",   "and",    "or",        "not",        "in",   "is",
      "null", "'x'",  "1",  "2.5", "if(", "upper(", "round(",    "get(",       "$",    "`",
      "'",    "\xff", "\n", ".",   "e",   "min(",   "coalesce(", "date_diff(", "'day'"};
  int compiled = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string text;
    for (uint64_t parts = 1 + next(9); parts > 0; --parts) {
      text += pieces[next(std::size(pieces))];
      if (next(3) != 0) text += ' ';
    }
    INFO(text);
    try {
      Expression::compile(text, sample().schema(), {});
      ++compiled;
    } catch (const ExpressionError& error) {
      REQUIRE(error.offset() + error.length() <= text.size());
    }
  }
  CHECK(compiled > 100);
}
