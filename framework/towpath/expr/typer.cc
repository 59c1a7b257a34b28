#include "towpath/expr/typer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/expr/constants.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/operators.h"
#include "towpath/message/json.h"

namespace towpath::expr {
namespace {

std::string_view symbol(Operator operation) {
  switch (operation) {
    case Operator::kAdd:
      return "+";
    case Operator::kSubtract:
      return "-";
    case Operator::kMultiply:
      return "*";
    case Operator::kDivide:
      return "/";
    case Operator::kFloorDivide:
      return "//";
    case Operator::kModulo:
      return "%";
  }
  return "";
}

void read_column(Node& self, const Chunk& chunk) {
  const Column& all = *self.source;
  const int64_t first = chunk.first;
  self.out = all;
  self.out.rows = chunk.rows;
  if (all.validity != nullptr) self.out.validity = all.validity + first / 8;
  if (is_variable(all.type)) {
    self.out.offsets = all.offsets + first;
  } else if (all.type == Type::kBool) {
    self.out.values = static_cast<const uint8_t*>(all.values) + first / 8;
  } else {
    self.out.values =
        static_cast<const char*>(all.values) + static_cast<size_t>(first) * value_size(all.type);
  }
}

void read_alias(Node& self, const Chunk&) { self.out = self.target->out; }

}  // namespace

void fail_at(Span span, const std::string& message, const std::string& hint) {
  throw ExpressionError(span.offset, span.length, message, hint);
}

std::string with_article(Type type) {
  const std::string_view name = type_name(type);
  const bool vowel = name.front() == 'i' || name.front() == 'o';
  return format("{} {}", vowel ? "an" : "a", name);
}

NodePtr Typer::make(Type type, Span span, Node::Kernel kernel, std::vector<NodePtr> args) {
  auto node = std::make_unique<Node>(type);
  node->span = span;
  node->kernel = kernel;
  node->args = std::move(args);
  return node;
}

NodePtr Typer::alias(const Node& target) {
  auto node = std::make_unique<Node>(target.type);
  node->span = target.span;
  node->target = &target;
  node->kernel = read_alias;
  node->strict = false;
  node->constant = target.constant;
  node->out = target.out;
  return node;
}

NodePtr Typer::type(const Ast& ast) {
  switch (ast.kind) {
    case Ast::Kind::kNull:
    case Ast::Kind::kBool:
    case Ast::Kind::kInt:
    case Ast::Kind::kFloat:
    case Ast::Kind::kString:
      return literal(ast);
    case Ast::Kind::kColumn:
      return column(ast);
    case Ast::Kind::kParam:
      return param(ast);
    case Ast::Kind::kNegate:
      return negate(ast);
    case Ast::Kind::kNot:
    case Ast::Kind::kAnd:
    case Ast::Kind::kOr:
      return logic(ast);
    case Ast::Kind::kArithmetic:
      return arithmetic(ast);
    case Ast::Kind::kCompare:
      return comparison(ast);
    case Ast::Kind::kIn:
      return membership(ast);
    case Ast::Kind::kIsNull:
      return is_null(ast);
    case Ast::Kind::kCall:
      return call(ast);
  }
  throw Bug("an expression of no kind");
}

NodePtr Typer::literal(const Ast& ast) const {
  NodePtr node;
  switch (ast.kind) {
    case Ast::Kind::kBool:
      node = constant_bool(ast.integer != 0);
      break;
    case Ast::Kind::kInt:
      node = constant_int(ast.integer);
      break;
    case Ast::Kind::kFloat:
      node = constant_float(ast.number);
      break;
    case Ast::Kind::kString:
      node = constant_text(ast.text);
      break;
    default:
      node = constant_null(Type::kString);
      node->untyped = true;
  }
  node->literal = true;
  node->span = ast.span;
  return node;
}

NodePtr Typer::column(const Ast& ast) const {
  const int at = find_field(input_, ast.text);
  if (at < 0) {
    std::vector<std::string_view> names;
    for (const Field& field : input_) names.push_back(field.name);
    const std::string_view near = nearest(ast.text, names.data(), names.data() + names.size());
    std::string hint;
    if (!near.empty()) {
      hint = format("did you mean {}?", near);
    } else if (names.size() <= 20) {
      hint =
          names.empty() ? "the input has no columns" : format("columns: {}", show_schema(input_));
    }
    fail_at(ast.span, format("no column \"{}\"", ast.text), hint);
  }
  NodePtr node = make(input_[static_cast<size_t>(at)].type, ast.span, read_column, {});
  node->column = ast.text;
  node->strict = false;
  return node;
}

NodePtr Typer::param(const Ast& ast) const {
  const auto found = bindings_.params.find(ast.text);
  if (found == bindings_.params.end()) {
    std::vector<std::string_view> names;
    for (const auto& entry : bindings_.params) names.push_back(entry.first);
    const std::string_view near = nearest(ast.text, names.data(), names.data() + names.size());
    fail_at(ast.span, format("no param \"{}\"", ast.text),
            near.empty() ? "name it under params:" : format("did you mean ${}?", near));
  }
  const Object& value = found->second;
  NodePtr node;
  if (value.is_bool()) {
    node = constant_bool(value.as_bool());
  } else if (value.is_int()) {
    node = constant_int(value.as_int());
  } else if (value.is_float()) {
    node = constant_float(value.as_float());
  } else if (value.is_string()) {
    node = constant_text(value.as_string());
  } else if (value.is_nil()) {
    node = constant_null(Type::kString);
    node->untyped = true;
  } else {
    fail_at(ast.span, format("${} is of kind {}; a param is a bool, int, float or string", ast.text,
                             value.kind()));
  }
  node->literal = true;
  node->span = ast.span;
  return node;
}

NodePtr Typer::negate(const Ast& ast) {
  NodePtr value = type(ast.children[0]);
  if (value->untyped) coerce(value, Type::kInt);
  if (!is_number(value->type)) {
    fail_at(ast.span, format("- of {}; it takes a number", with_article(value->type)));
  }
  const Type of = value->type;
  return finish(make(of, ast.span, negate_kernel(of), list_of(std::move(value))));
}

NodePtr Typer::condition(const Ast& ast, std::string_view owner) {
  NodePtr value = type(ast);
  if (!coerce(value, Type::kBool)) {
    fail_at(
        ast.outer,
        format("{} takes conditions; {} is {}", owner, text(ast.span), with_article(value->type)),
        is_number(value->type) ? format("write {} != 0", text(ast.span)) : "");
  }
  return value;
}

NodePtr Typer::logic(const Ast& ast) {
  const bool negation = ast.kind == Ast::Kind::kNot;
  const bool both = ast.kind == Ast::Kind::kAnd;
  std::vector<NodePtr> parts;
  for (const Ast& child : ast.children) {
    parts.push_back(condition(child, negation ? "not" : both ? "and" : "or"));
  }
  const Node::Kernel kernel = negation ? not_kernel() : both ? and_kernel() : or_kernel();
  NodePtr node = make(Type::kBool, ast.span, kernel, std::move(parts));
  node->strict = negation;
  return finish(std::move(node));
}

NodePtr Typer::arithmetic(const Ast& ast) {
  std::vector<NodePtr> sides = list_of(type(ast.children[0]), type(ast.children[1]));
  const std::string_view sign = symbol(ast.operation);
  if (sides[0]->untyped && sides[1]->untyped) coerce(sides[0], Type::kInt);
  for (const size_t i : {0u, 1u}) {
    const Type type = sides[i]->type;
    if (sides[i]->untyped || is_number(type)) continue;
    std::string hint;
    if (type == Type::kString && ast.operation == Operator::kAdd) {
      hint = "to join texts, write concat(a, b)";
    } else if (type == Type::kString || type == Type::kObject) {
      hint = format("write int({0}) or float({0})", text(ast.children[i].span));
    } else if (is_time(type)) {
      hint = "write date_diff('day', from, to)";
    }
    fail_at(
        ast.children[i].outer,
        format("{} takes numbers; {} is {}", sign, text(ast.children[i].span), with_article(type)),
        hint);
  }
  const auto common = unify(sides);
  Type of = common.value_or(Type::kFloat);
  if (ast.operation == Operator::kDivide) {
    of = Type::kFloat;
    for (NodePtr& side : sides) coerce(side, of);
  }
  return finish(make(of, ast.span, arithmetic_kernel(ast.operation, of), std::move(sides)));
}

NodePtr Typer::comparison(const Ast& ast) {
  for (const Ast& child : ast.children) {
    if (child.kind == Ast::Kind::kNull) {
      fail_at(ast.span, "a comparison with null is never true",
              ast.comparison == Comparison::kNotEqual ? "write is not null" : "write is null");
    }
  }
  NodePtr left = type(ast.children[0]);
  NodePtr right = type(ast.children[1]);
  return compare(std::move(left), std::move(right), ast.comparison, ast.span);
}

NodePtr Typer::membership(const Ast& ast) {
  NodePtr x = type(ast.children[0]);
  std::vector<NodePtr> items;
  for (size_t i = 1; i < ast.children.size(); ++i) items.push_back(type(ast.children[i]));
  if (x->untyped) fail_at(ast.children[0].span, "null is in no list");

  const bool constants =
      std::ranges::all_of(items, [](const auto& item) { return item->constant; });
  NodePtr node;
  if (constants && !x->constant) {
    if (is_time(x->type)) {  // dates among timestamps, or the other way round: as timestamps
      items.insert(items.begin(), std::move(x));
      unify(items);
      x = std::move(items.front());
      items.erase(items.begin());
    }
    for (NodePtr& item : items) {
      const bool meet = (is_number(item->type) && is_number(x->type)) ||
                        (is_text(item->type) && is_text(x->type));
      if (meet && !item->untyped) continue;
      if (!coerce(item, x->type)) mismatch(*x, *item, ast.span, "can't be compared");
    }
    node = member_of_set(std::move(x), items, ast.span);
  } else {
    std::vector<NodePtr> parts = list_of(std::move(x));
    for (NodePtr& item : items) {
      const Span at = item->span;
      NodePtr shared = alias(*parts[0]);
      shared->literal = parts[0]->literal;
      parts.push_back(compare(std::move(shared), std::move(item), Comparison::kEqual, at));
    }
    node = make(Type::kBool, ast.span, any_of_kernel(), std::move(parts));
    node->strict = false;
  }
  node = finish(std::move(node));
  if (!ast.negated) return node;
  return finish(make(Type::kBool, ast.span, not_kernel(), list_of(std::move(node))));
}

NodePtr Typer::is_null(const Ast& ast) {
  NodePtr node = make(Type::kBool, ast.span, is_null_kernel(), list_of(type(ast.children[0])));
  node->strict = false;
  node->number = ast.negated ? 1 : 0;
  return finish(std::move(node));
}

NodePtr Typer::call(const Ast& ast) {
  Call call{.typer = *this, .name = ast.text, .span = ast.span, .name_span = ast.name, .args = {}};
  for (const Ast& child : ast.children) call.args.push_back(type(child));
  return finish(bind_call(std::move(call)));
}

}  // namespace towpath::expr
