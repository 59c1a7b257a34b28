#include "towpath/expr/lexer.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "towpath/base/format.h"
#include "towpath/expr/expression.h"

namespace towpath::expr {
namespace {

constexpr std::string_view kKeywords[] = {"and", "or", "not", "in", "is", "null", "true", "false"};
// Longer ones first.
constexpr std::string_view kSymbols[] = {"//", "==", "!=", "<=", ">=", "+", "-", "*",
                                         "/",  "%",  "<",  ">",  "(",  ")", ","};
// What people write out of habit, and what it is called here.
constexpr struct {
  std::string_view wrong, hint;
} kHabits[] = {
    {"<>", "write != for not equal"},
    {"&&", "write and"},
    {"||", "write or; to join texts, concat(a, b)"},
    {"=", "write == to compare"},
    {"!", "write not"},
    {"\"", "texts stand in single quotes: 'like this'"},
    {"[", "a list stands in parentheses: x in (1, 2)"},
    {"^", "write pow(x, y)"},
    {"?", "write if(condition, a, b)"},
    {";", "one expression only"},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  // Bytes from 0x80 on belong to UTF-8 names.
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool is_name(char c) { return is_name_start(c) || is_digit(c); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    if (text_.size() > kMaxTextLength) {
      throw ExpressionError(
          0, text_.size(),
          format("the expression has {} bytes; allowed are {}", text_.size(), kMaxTextLength));
    }
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      if (at_ == text_.size()) break;
      next();
    }
    add(Token::Kind::kEnd, at_, "");
    return std::move(tokens_);
  }

 private:
  void next() {
    const char c = text_[at_];
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
      number();
    } else if (is_name_start(c)) {
      const std::string_view word = take_name(at_);
      const bool keyword = std::ranges::find(kKeywords, word) != std::end(kKeywords);
      const size_t from = at_;
      at_ += word.size();
      add(keyword ? Token::Kind::kKeyword : Token::Kind::kName, from, std::string(word));
    } else if (c == '\'') {
      quoted('\'', Token::Kind::kString, "text");
    } else if (c == '`') {
      quoted('`', Token::Kind::kQuoted, "column name");
    } else if (c == '$') {
      const std::string_view word = take_name(at_ + 1);
      if (word.empty()) throw ExpressionError(at_, 1, "a param's name must follow $");
      const size_t from = at_;
      at_ += 1 + word.size();
      add(Token::Kind::kParam, from, std::string(word));
    } else {
      symbol();
    }
  }

  std::string_view take_name(size_t from) const {
    size_t end = from;
    while (end < text_.size() && (end == from ? is_name_start(text_[end]) : is_name(text_[end]))) {
      ++end;
    }
    return text_.substr(from, end - from);
  }

  void number() {
    const size_t from = at_;
    auto digits = [this] {
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    };
    digits();
    bool whole = true;
    if (at_ < text_.size() && text_[at_] == '.') {
      whole = false;
      ++at_;
      digits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      size_t exponent = at_ + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      if (exponent < text_.size() && is_digit(text_[exponent])) {
        whole = false;
        at_ = exponent;
        digits();
      }
    }
    if (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.')) {
      while (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.')) ++at_;
      throw ExpressionError(from, at_ - from,
                            format("{} is not a number", text_.substr(from, at_ - from)),
                            "a column name that begins with a digit stands in backticks: `1st`");
    }
    const std::string_view digits_text = text_.substr(from, at_ - from);
    add(whole ? Token::Kind::kInt : Token::Kind::kFloat, from, std::string(digits_text));
    if (!whole) {
      const auto [end, error] = std::from_chars(
          digits_text.data(), digits_text.data() + digits_text.size(), tokens_.back().number);
      if (error != std::errc{}) {
        throw ExpressionError(from, at_ - from,
                              format("{} is out of a float's range", digits_text));
      }
    }
  }

  void quoted(char quote, Token::Kind kind, std::string_view what) {
    const size_t from = at_++;
    std::string value;
    for (;; ++at_) {
      if (at_ == text_.size()) {
        throw ExpressionError(
            from, at_ - from, format("the {} has no closing {}", what, quote),
            quote == '\'' ? "a quote within a text is written twice: 'it''s'" : "");
      }
      if (text_[at_] == quote) {
        if (at_ + 1 == text_.size() || text_[at_ + 1] != quote) break;
        ++at_;
      }
      value += text_[at_];
    }
    ++at_;
    if (kind == Token::Kind::kQuoted && value.empty()) {
      throw ExpressionError(from, at_ - from, "a column's name stands between backticks");
    }
    add(kind, from, std::move(value));
  }

  void symbol() {
    const std::string_view rest = text_.substr(at_);
    // "!" and "=" are habits only where "!=" and "==" do not begin.
    for (const std::string_view known : kSymbols) {
      if (rest.starts_with("<>")) break;
      if (!rest.starts_with(known)) continue;
      const size_t from = at_;
      at_ += known.size();
      add(Token::Kind::kSymbol, from, std::string(known));
      return;
    }
    for (const auto& [wrong, hint] : kHabits) {
      if (rest.starts_with(wrong)) {
        throw ExpressionError(at_, wrong.size(), format("{} is not an operator here", wrong),
                              std::string(hint));
      }
    }
    const auto byte = static_cast<unsigned char>(rest[0]);
    throw ExpressionError(at_, 1,
                          byte >= 0x20 && byte < 0x7f ? format("unexpected {}", rest[0])
                                                      : format("unexpected byte 0x{:02x}", byte));
  }

  void add(Token::Kind kind, size_t from, std::string text) {
    tokens_.push_back({kind, from, at_ - from, std::move(text), 0});
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view text) { return Lexer(text).run(); }

}  // namespace towpath::expr
