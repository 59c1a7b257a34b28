#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace towpath::expr {

// Where something stands in the text of its expression, in bytes.
struct Span {
  size_t offset = 0;
  size_t length = 0;
  size_t end() const { return offset + length; }
};

enum class Operator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo };
enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

// An expression as it was written, before names and types are known.
struct Ast {
  enum class Kind {
    kNull,
    kBool,        // integer: 0 or 1
    kInt,         // integer
    kFloat,       // number
    kString,      // text
    kColumn,      // text: its name
    kParam,       // text: its name
    kNegate,      // of children[0]
    kNot,         // of children[0]
    kAnd,         // of all children
    kOr,          // of all children
    kArithmetic,  // operation, of two children
    kCompare,     // comparison, of two children
    kIn,          // children[0] in the others; negated: not in
    kIsNull,      // children[0]; negated: is not null
    kCall,        // text: the function's name, which stands at `name`; children: its arguments
  };
  Kind kind = Kind::kNull;
  Span span;   // without parentheses around it
  Span outer;  // with them
  std::string text;
  int64_t integer = 0;
  double number = 0;
  Operator operation = Operator::kAdd;
  Comparison comparison = Comparison::kEqual;
  bool negated = false;
  Span name;
  std::vector<Ast> children;
  int height = 1;  // of the tree below
};

}  // namespace towpath::expr
