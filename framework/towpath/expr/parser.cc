#include "towpath/expr/parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "towpath/base/ascii.h"
#include "towpath/base/format.h"
#include "towpath/expr/expression.h"
#include "towpath/expr/lexer.h"

namespace towpath::expr {
namespace {

std::optional<Comparison> comparison_of(const Token& token) {
  if (token.kind != Token::Kind::kSymbol) return std::nullopt;
  if (token.text == "==") return Comparison::kEqual;
  if (token.text == "!=") return Comparison::kNotEqual;
  if (token.text == "<") return Comparison::kLess;
  if (token.text == "<=") return Comparison::kLessEqual;
  if (token.text == ">") return Comparison::kGreater;
  if (token.text == ">=") return Comparison::kGreaterEqual;
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), tokens_(lex(text)) {}

  Ast run() {
    if (now().kind == Token::Kind::kEnd) throw ExpressionError(0, 0, "the expression is empty");
    Ast whole = disjunction();
    if (now().kind != Token::Kind::kEnd) unexpected("an operator");
    return whole;
  }

 private:
  // Counts how deep the parser has called itself.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxNesting) {
        throw ExpressionError(parser_.now().offset, std::max<size_t>(1, parser_.now().length),
                              format("nested deeper than {} levels", kMaxNesting));
      }
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  const Token& now() const { return tokens_[at_]; }
  bool accept(std::string_view what) {
    if (!now().is(what)) return false;
    ++at_;
    return true;
  }
  void require(std::string_view what, size_t opened) {
    if (accept(what)) return;
    if (now().kind == Token::Kind::kEnd) {
      throw ExpressionError(opened, 1, format("{} is never closed", text_[opened]));
    }
    unexpected(format("{} or an operator", what));
  }
  size_t last_end() const { return tokens_[at_ - 1].offset + tokens_[at_ - 1].length; }

  [[noreturn]] void unexpected(std::string_view wanted) const {
    const Token& token = now();
    if (token.kind == Token::Kind::kEnd) {
      throw ExpressionError(token.offset, 0,
                            format("the expression ends where {} is wanted", wanted));
    }
    std::string hint;
    if (token.kind == Token::Kind::kName) {
      const std::string word = lower(token.text);
      for (const std::string_view known : {"and", "or", "not", "in", "is"}) {
        if (word == known) hint = format("did you mean {}?", known);
      }
      if (word == "between") hint = "write x >= a and x <= b";
      if (word == "like") hint = "write starts_with, contains or matches";
    }
    if (token.is("*") && at_ > 0 && tokens_[at_ - 1].is("(")) hint = "all rows: count()";
    throw ExpressionError(
        token.offset, token.length,
        format("{} stands where {} is wanted", text_.substr(token.offset, token.length), wanted),
        hint);
  }

  // Gives a node its place and height, once it has its children.
  Ast made(Ast node, size_t begin) const {
    node.span = {begin, last_end() - begin};
    node.outer = node.span;
    for (const Ast& child : node.children) node.height = std::max(node.height, child.height + 1);
    if (node.height > kMaxHeight) {
      throw ExpressionError(begin, last_end() - begin,
                            format("a chain of more than {} operators", kMaxHeight));
    }
    return node;
  }

  Ast disjunction() { return chain("or", Ast::Kind::kOr, &Parser::conjunction); }
  Ast conjunction() { return chain("and", Ast::Kind::kAnd, &Parser::negation); }

  Ast chain(std::string_view word, Ast::Kind kind, Ast (Parser::*part)()) {
    Ast first = (this->*part)();
    if (!now().is(word)) return first;
    Ast node;
    node.kind = kind;
    const size_t begin = first.outer.offset;
    node.children.push_back(std::move(first));
    while (accept(word)) node.children.push_back((this->*part)());
    return made(std::move(node), begin);
  }

  Ast negation() {
    const size_t begin = now().offset;
    if (!accept("not")) return comparison();
    const Level level(*this);
    Ast node;
    node.kind = Ast::Kind::kNot;
    node.children.push_back(negation());
    return made(std::move(node), begin);
  }

  Ast comparison() {
    Ast left = sum();
    const size_t begin = left.outer.offset;
    Ast node;
    if (const auto which = comparison_of(now())) {
      ++at_;
      node.kind = Ast::Kind::kCompare;
      node.comparison = *which;
      node.children.push_back(std::move(left));
      node.children.push_back(sum());
    } else if (now().is("in") || (now().is("not") && tokens_[at_ + 1].is("in"))) {
      node.kind = Ast::Kind::kIn;
      node.negated = accept("not");
      ++at_;
      node.children.push_back(std::move(left));
      const size_t opened = now().offset;
      if (!accept("(")) unexpected("a list in parentheses");
      list(node, opened);
      if (node.children.size() == 1) {
        throw ExpressionError(opened, last_end() - opened, "the list is empty");
      }
    } else if (accept("is")) {
      node.kind = Ast::Kind::kIsNull;
      node.negated = accept("not");
      if (!accept("null")) unexpected("null");
      node.children.push_back(std::move(left));
    } else {
      return left;
    }
    if (comparison_of(now()) || now().is("in") || now().is("is")) {
      throw ExpressionError(now().offset, now().length, "comparisons can't be chained",
                            "write a < b and b < c");
    }
    return made(std::move(node), begin);
  }

  Ast sum() { return left_to_right(&Parser::product, {"+", "-"}); }
  Ast product() { return left_to_right(&Parser::unary, {"*", "/", "//", "%"}); }

  Ast left_to_right(Ast (Parser::*part)(), std::initializer_list<std::string_view> symbols) {
    Ast left = (this->*part)();
    const size_t begin = left.outer.offset;
    for (;;) {
      const auto symbol = std::ranges::find_if(symbols, [this](auto s) { return now().is(s); });
      if (symbol == symbols.end()) return left;
      ++at_;
      Ast node;
      node.kind = Ast::Kind::kArithmetic;
      node.operation = *symbol == "+"    ? Operator::kAdd
                       : *symbol == "-"  ? Operator::kSubtract
                       : *symbol == "*"  ? Operator::kMultiply
                       : *symbol == "/"  ? Operator::kDivide
                       : *symbol == "//" ? Operator::kFloorDivide
                                         : Operator::kModulo;
      node.children.push_back(std::move(left));
      node.children.push_back((this->*part)());
      left = made(std::move(node), begin);
    }
  }

  Ast unary() {
    const size_t begin = now().offset;
    if (!accept("-")) return primary();
    if (now().kind == Token::Kind::kInt) {  // so that the smallest int can be written
      Ast node = integer("-" + now().text);
      ++at_;
      return made(std::move(node), begin);
    }
    const Level level(*this);
    Ast node;
    node.kind = Ast::Kind::kNegate;
    node.children.push_back(unary());
    return made(std::move(node), begin);
  }

  Ast integer(const std::string& digits) const {
    Ast node;
    node.kind = Ast::Kind::kInt;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), node.integer);
    if (error != std::errc{}) {
      throw ExpressionError(now().offset, now().length,
                            format("{} is out of an int's range", digits),
                            format("write it as a float: {}.0", digits));
    }
    return node;
  }

  Ast primary() {
    const Token& token = now();
    const size_t begin = token.offset;
    Ast node;
    switch (token.kind) {
      case Token::Kind::kInt:
        node = integer(token.text);
        break;
      case Token::Kind::kFloat:
        node.kind = Ast::Kind::kFloat;
        node.number = token.number;
        break;
      case Token::Kind::kString:
        node.kind = Ast::Kind::kString;
        node.text = token.text;
        break;
      case Token::Kind::kParam:
        node.kind = Ast::Kind::kParam;
        node.text = token.text;
        break;
      case Token::Kind::kQuoted:
        node.kind = Ast::Kind::kColumn;
        node.text = token.text;
        break;
      case Token::Kind::kName:
        if (tokens_[at_ + 1].is("(")) return call();
        node.kind = Ast::Kind::kColumn;
        node.text = token.text;
        break;
      default:
        if (token.is("(")) return parenthesis();
        if (token.is("true") || token.is("false")) {
          node.kind = Ast::Kind::kBool;
          node.integer = token.is("true") ? 1 : 0;
        } else if (!token.is("null")) {
          unexpected("a value");
        }
    }
    ++at_;
    return made(std::move(node), begin);
  }

  Ast parenthesis() {
    const Level level(*this);
    const size_t begin = now().offset;
    ++at_;
    Ast inner = disjunction();
    require(")", begin);
    inner.outer = {begin, last_end() - begin};
    return inner;
  }

  Ast call() {
    Ast node;
    node.kind = Ast::Kind::kCall;
    node.text = now().text;
    node.name = {now().offset, now().length};
    ++at_;
    const size_t opened = now().offset;
    ++at_;
    if (!accept(")")) list(node, opened);
    const size_t begin = node.name.offset;
    return made(std::move(node), begin);
  }

  // The rest of a list whose parenthesis is open.
  void list(Ast& node, size_t opened) {
    const Level level(*this);
    do {
      if (node.children.size() >= kMaxList + 1) {
        throw ExpressionError(now().offset, now().length,
                              format("a list of more than {} values", kMaxList));
      }
      node.children.push_back(disjunction());
    } while (accept(","));
    require(")", opened);
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Ast parse(std::string_view text) { return Parser(text).run(); }

}  // namespace towpath::expr
