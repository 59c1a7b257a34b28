#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/expr/ast.h"
#include "towpath/expr/expression.h"
#include "towpath/expr/node.h"

namespace towpath::expr {

using NodePtr = std::unique_ptr<Node>;

// Turns what was written into what runs: finds columns, params and functions, gives every node its
// type, converts where nothing is lost, and computes what is constant. Every error is an
// ExpressionError that points at its place.
class Typer {
 public:
  Typer(std::string_view text, const Schema& input, const Bindings& bindings)
      : text_(text), input_(input), bindings_(bindings) {}

  NodePtr type(const Ast& ast);

  // ── for those who build nodes ──
  const Bindings& bindings() const { return bindings_; }
  std::string_view text(Span span) const { return text_.substr(span.offset, span.length); }
  // A node over `args`.
  static NodePtr make(Type type, Span span, Node::Kernel kernel, std::vector<NodePtr> args);
  // Call it on each node made: a strict one with a null constant is null, one of constants is
  // computed now.
  NodePtr finish(NodePtr node) const;
  // Shares the column of `target`, which must be an argument before it.
  static NodePtr alias(const Node& target);
  // Makes `node` one of type `to` where that loses nothing: the literal null, int → float, date →
  // timestamp, a literal text → date or timestamp (an error when it is none). False: it can't be.
  bool coerce(NodePtr& node, Type to) const;
  // Gives all the same type. None: they have none in common.
  std::optional<Type> unify(std::span<NodePtr> nodes) const;
  NodePtr compare(NodePtr left, NodePtr right, Comparison comparison, Span span) const;
  // What to say of types that don't meet.
  [[noreturn]] void mismatch(const Node& a, const Node& b, Span span, std::string_view what) const;
  int64_t next_random() { return randoms_++; }  // tells the calls of random() apart

 private:
  NodePtr literal(const Ast& ast) const;
  NodePtr column(const Ast& ast) const;
  NodePtr param(const Ast& ast) const;
  NodePtr negate(const Ast& ast);
  NodePtr logic(const Ast& ast);
  NodePtr arithmetic(const Ast& ast);
  NodePtr comparison(const Ast& ast);
  NodePtr membership(const Ast& ast);
  NodePtr is_null(const Ast& ast);
  NodePtr call(const Ast& ast);
  NodePtr condition(const Ast& ast, std::string_view owner);

  std::string_view text_;
  const Schema& input_;
  const Bindings& bindings_;
  int64_t randoms_ = 0;
};

[[noreturn]] void fail_at(Span span, const std::string& message, const std::string& hint = "");
// "an int", "a date".
std::string with_article(Type type);

inline bool is_number(Type type) { return type == Type::kInt || type == Type::kFloat; }
inline bool is_text(Type type) { return type == Type::kString || type == Type::kBinary; }
inline bool is_time(Type type) { return type == Type::kDate || type == Type::kTimestamp; }

// A list of nodes, which are moved in.
template <class... Nodes>
std::vector<NodePtr> list_of(Nodes... nodes) {
  std::vector<NodePtr> list;
  list.reserve(sizeof...(nodes));
  (list.push_back(std::move(nodes)), ...);
  return list;
}

}  // namespace towpath::expr
