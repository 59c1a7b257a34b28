#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/expr/typer.h"

// The functions of the language, in families: one table each.

namespace towpath::expr {

// A call whose arguments have types; a Function's `bind` turns it into a node.
struct Call {
  Typer& typer;
  std::string_view name;
  Span span;
  Span name_span;
  std::vector<NodePtr> args;

  size_t size() const { return args.size(); }
  Type type(size_t i) const { return args[i]->type; }
  // Demands a type, converting where nothing is lost. The error shows a cast that would do.
  void want(size_t i, Type type);
  void want_from(size_t first, Type type);  // all from `first` on
  // Demands a number: true when it is an int, false for a float.
  bool want_number(size_t i);
  void want_time(
      size_t i);  // a date or timestamp; the null literal is a timestamp, a text what it reads as
  // Demands that all from `first` on have one type, and returns it.
  Type want_same(size_t first);
  // Demands a constant: what can't differ from row to row.
  std::string_view constant_text(size_t i, std::string_view what);
  // The wanted type was not met.
  [[noreturn]] void wrong(size_t i, std::string_view wanted, const std::string& hint = "") const;

  // The node, strict, with all arguments.
  NodePtr make(Type type, Node::Kernel kernel) {
    return Typer::make(type, span, kernel, std::move(args));
  }
};

struct Function {
  std::string_view name;
  std::string_view signature;  // "round(x[, digits])"
  size_t least, most;          // arguments
  NodePtr (*bind)(Call& call);
};

inline constexpr size_t kAnyNumber = 10'000;

std::span<const Function> math_functions();
std::span<const Function> logic_functions();
std::span<const Function> text_functions();
std::span<const Function> pattern_functions();
std::span<const Function> time_functions();
std::span<const Function> cast_functions();
std::span<const Function> row_functions();  // hash, get, now, random

// Binds a call of any of them. Throws ExpressionError, with the nearest name.
NodePtr bind_call(Call call);

}  // namespace towpath::expr
