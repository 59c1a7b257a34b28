#pragma once
#include <cstddef>
#include <string_view>

#include "towpath/expr/ast.h"

namespace towpath::expr {

inline constexpr int kMaxNesting = 100;     // of parentheses, calls, not and minus
inline constexpr int kMaxHeight = 1000;     // of the tree: a + a + a + … grows to the left
inline constexpr size_t kMaxList = 10'000;  // of `in (…)`, and of arguments

// From loosest to tightest: or; and; not; == != < <= > >= in, is null (not chained); + -; * / // %;
// unary minus. Throws ExpressionError.
Ast parse(std::string_view text);

}  // namespace towpath::expr
