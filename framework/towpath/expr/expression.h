#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/message/batch.h"
#include "towpath/message/column.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"

// Typed expressions over the columns of a batch, as they stand in YAML: `qty > $min and country !=
// ''`.
//
// Types      found when compiled, so a wrong one is an error of `check`, never of a run.
// Null       as in SQL: an operator on null gives null; and/or are three-valued.
// Integers   exact: overflow, division by zero and a bad cast fail that row, which its stage
//            rejects.
// Source     DESIGN.md, "Expressions"; regular expressions are RE2's.
// Threads    a compiled expression holds scratch memory: one thread at a time.

namespace towpath {

// Names bound from outside: `$name`, now() and random().
struct Bindings {
  std::map<std::string, Object, std::less<>> params;  // bool, int, float, string
  int64_t now_micros = 0;                             // the run's recorded start
  uint64_t seed = 0;                                  // mixed with the row's number on its edge
};

// What is wrong in an expression, and where: byte offset and length within its text.
class ExpressionError : public Invalid {
 public:
  ExpressionError(size_t offset, size_t length, const std::string& message, std::string hint = "")
      : Invalid(message), offset_(offset), length_(length), hint_(std::move(hint)) {}
  size_t offset() const { return offset_; }
  size_t length() const { return length_; }
  const std::string& hint() const { return hint_; }  // "did you mean …?", or empty

 private:
  size_t offset_, length_;
  std::string hint_;
};

// The functions of the language, family by family; for help. README.md says what each does.
struct FunctionFamily {
  std::string_view title;
  std::vector<std::string_view> signatures;  // "round(x[, digits])"
};
std::vector<FunctionFamily> expression_functions();

struct RowError {
  int64_t row;
  std::string reason;  // "integer overflow in qty * price"
};

class Expression {
 public:
  // Throws ExpressionError.
  static Expression compile(std::string_view text, const Schema& input, const Bindings& bindings);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  Type type() const;
  const std::string& text() const;
  // Names of the input columns it reads, each once.
  std::vector<std::string> columns() const;

  // Evaluates all rows of `in` into `result` (cleared first; of type()). Rows that fail are null in
  // `result` and named in `errors`, in row order, one entry a row at most.
  void run(const Batch& in, ColumnBuilder& result, std::vector<RowError>& errors);

 private:
  struct Program;
  explicit Expression(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

// An aggregate call as `group` takes it: count(), count(x), sum(x), mean(x), min(x), max(x),
// distinct(x), where x is any expression.
struct AggregateCall {
  enum class Function { kCount, kSum, kMean, kMin, kMax, kDistinct };
  Function function;
  std::string argument;  // text of x; empty for count()
  Type type;  // of the result: int for count and distinct, float for mean, x's type otherwise
  // Throws ExpressionError; offsets are within `text`.
  static AggregateCall parse(std::string_view text, const Schema& input, const Bindings& bindings);
};

}  // namespace towpath
