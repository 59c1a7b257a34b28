#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The text of an expression as tokens. Each knows where it stands: errors point at bytes of the
// text.

namespace towpath::expr {

inline constexpr size_t kMaxTextLength = 64 << 10;

struct Token {
  enum class Kind {
    kInt,      // text: its digits; the parser knows whether a minus stands before them
    kFloat,    // number
    kString,   // text: without quotes, '' undone
    kName,     // a column or function
    kQuoted,   // `weird name`: a column, never a keyword
    kParam,    // $name; text: name
    kKeyword,  // and or not in is null true false
    kSymbol,   // + - * / // % == != < <= > >= ( ) ,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  size_t offset = 0;
  size_t length = 0;
  std::string text;
  double number = 0;

  bool is(std::string_view symbol_or_keyword) const {
    return (kind == Kind::kSymbol || kind == Kind::kKeyword) && text == symbol_or_keyword;
  }
};

// All tokens, the last of kind kEnd. Throws ExpressionError.
std::vector<Token> lex(std::string_view text);

}  // namespace towpath::expr
