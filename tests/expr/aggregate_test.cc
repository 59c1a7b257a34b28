#include <catch2/catch.hpp>

#include "tests/expr/support.h"
#include "towpath/base/format.h"
#include "towpath/expr/expression.h"

using namespace towpath;
using testing::sample;

namespace {

std::string parsed(std::string_view text) {
  try {
    const AggregateCall call = AggregateCall::parse(text, sample().schema(), {});
    return format("{} of '{}': {}", static_cast<int>(call.function), call.argument,
                  type_name(call.type));
  } catch (const ExpressionError& error) {
    return format("{}+{} {}{}{}", error.offset(), error.length(), error.what(),
                  error.hint().empty() ? "" : " | ", error.hint());
  }
}

}  // namespace

TEST_CASE("AggregateCall: function, argument and type") {
  CHECK(parsed("count()") == "0 of '': int");
  CHECK(parsed("count(t)") == "0 of 't': int");
  CHECK(parsed("sum(i)") == "1 of 'i': int");
  CHECK(parsed("sum( i * f )") == "1 of 'i * f': float");
  CHECK(parsed("sum((i + j) * 2)") == "1 of '(i + j) * 2': int");
  CHECK(parsed("sum((i))") == "1 of '(i)': int");
  CHECK(parsed("mean(i)") == "2 of 'i': float");
  CHECK(parsed("min(d)") == "3 of 'd': date");
  CHECK(parsed("max(upper(t))") == "4 of 'upper(t)': string");
  CHECK(parsed("distinct(at)") == "5 of 'at': int");
}

TEST_CASE("AggregateCall: errors point into the whole text") {
  const std::string forms = "aggregates: count() count(x) sum(x) mean(x) min(x) max(x) distinct(x)";
  CHECK(parsed("i + 1") == "0+5 not an aggregate | " + forms);
  CHECK(parsed("sum(i) + 1") == "0+10 not an aggregate | " + forms);
  CHECK(parsed("avg(i)") == "0+3 no aggregate \"avg\" | did you mean mean?");
  CHECK(parsed("coutn()") == "0+5 no aggregate \"coutn\" | did you mean count?");
  CHECK(parsed("sum()") == "0+5 sum takes one argument, not 0 | " + forms);
  CHECK(parsed("min(i, j)") == "0+9 min takes one argument, not 2 | " + forms);
  CHECK(parsed("sum(t)") ==
        "4+1 sum takes a number; t is a string | write sum(int(t)) or sum(float(t))");
  CHECK(parsed("mean(i + x)").starts_with("9+1 no column \"x\""));
  CHECK(parsed("max(b)") == "4+1 max: values of type bool have no order");
  CHECK(parsed("sum(null)") == "4+4 a null of no type | write its type: int(null)");
  CHECK(parsed("count(*)") == "6+1 * stands where a value is wanted | all rows: count()");
  CHECK(parsed("sum(i").starts_with("3+1 ( is never closed"));
}
