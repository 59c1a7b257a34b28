#include "towpath/expr/typer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/expr/functions.h"
#include "towpath/expr/operators.h"
#include "towpath/message/json.h"

namespace towpath::expr {
namespace {

bool is_number(Type type) { return type == Type::kInt || type == Type::kFloat; }
bool is_text(Type type) { return type == Type::kString || type == Type::kBinary; }
bool is_time(Type type) { return type == Type::kDate || type == Type::kTimestamp; }

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

NodePtr constant(Type type) {
  auto node = std::make_unique<Node>(type);
  node->constant = true;
  node->out.rows = 1;
  return node;
}

template <class... Parts>
std::vector<NodePtr> list_of(Parts... parts) {
  std::vector<NodePtr> list;
  list.reserve(sizeof...(parts));
  (list.push_back(std::move(parts)), ...);
  return list;
}

}  // namespace

void fail_at(Span span, const std::string& message, const std::string& hint) {
  throw ExpressionError(span.offset, span.length, message, hint);
}

std::string with_article(Type type) {
  const std::string_view name = type_name(type);
  const bool vowel = name.front() == 'i' || name.front() == 'o';
  return format("{} {}", vowel ? "an" : "a", name);
}

NodePtr constant_null(Type type) {
  NodePtr node = constant(type);
  std::fill_n(node->fixed<uint64_t>(1), 1, 0);
  node->out.offsets = reinterpret_cast<const int32_t*>(node->values.data());
  node->set_null(0);
  return node;
}
NodePtr constant_bool(bool value) {
  NodePtr node = constant(Type::kBool);
  *node->bits(1) = value ? 1 : 0;
  return node;
}
NodePtr constant_int(int64_t value, Type type) {
  NodePtr node = constant(type);
  *node->fixed<int64_t>(1) = value;
  return node;
}
NodePtr constant_float(double value) {
  NodePtr node = constant(Type::kFloat);
  *node->fixed<double>(1) = value;
  return node;
}
NodePtr constant_date(int32_t days) {
  NodePtr node = constant(Type::kDate);
  *node->fixed<int32_t>(1) = days;
  return node;
}
NodePtr constant_text(std::string_view value, Type type) {
  NodePtr node = constant(type);
  TextWriter(*node, 1).put(value);
  return node;
}

NodePtr Typer::make(Type type, Span span, Node::Kernel kernel, std::vector<NodePtr> args) {
  auto node = std::make_unique<Node>(type);
  node->span = span;
  node->kernel = kernel;
  node->args = std::move(args);
  return node;
}

NodePtr Typer::finish(NodePtr node) const {
  const bool constants =
      std::ranges::all_of(node->args, [](const auto& arg) { return arg->constant; });
  const bool null = node->strict && std::ranges::any_of(node->args, [](const auto& arg) {
                      return arg->is_null_constant();
                    });
  if (null) {
    NodePtr folded = constant_null(node->type);
    folded->span = node->span;
    return folded;
  }
  if (!constants || node->args.empty() || node->varies) return node;
  evaluate(*node, Chunk{});
  if (!node->failures.empty()) {
    const Failure& failure = node->failures.front();
    fail_at(failure.node->span, describe(failure, text_));
  }
  // A kernel may share memory of its arguments: what is kept is a copy.
  NodePtr folded;
  if (node->out.is_null(0)) {
    folded = constant_null(node->type);
  } else {
    switch (node->type) {
      case Type::kBool:
        folded = constant_bool(node->out.bool_at(0));
        break;
      case Type::kInt:
      case Type::kTimestamp:
        folded = constant_int(node->out.int_at(0), node->type);
        break;
      case Type::kFloat:
        folded = constant_float(node->out.float_at(0));
        break;
      case Type::kDate:
        folded = constant_date(node->out.date_at(0));
        break;
      case Type::kString:
      case Type::kBinary:
      case Type::kObject:
        folded = constant_text(node->out.text_at(0), node->type);
    }
  }
  folded->span = node->span;
  return folded;
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

bool Typer::coerce(NodePtr& node, Type to) const {
  const Type from = node->type;
  const Span span = node->span;
  NodePtr made;
  if (node->untyped) {
    made = constant_null(to);
  } else if (from == to) {
    return true;
  } else if (from == Type::kString && is_time(to) && node->literal && node->constant) {
    const std::string_view text = node->out.text_at(0);
    int32_t days = 0;
    int64_t micros = 0;
    if (to == Type::kDate && read_date(text, days)) {
      made = constant_date(days);
    } else if (to == Type::kTimestamp && read_timestamp(text, micros)) {
      made = constant_int(micros, Type::kTimestamp);
    } else if (to == Type::kTimestamp && read_date(text, days)) {
      made = constant_int(days * int64_t{86'400'000'000}, Type::kTimestamp);
    } else {
      fail_at(span, format("'{}' is not a {}", text, type_name(to)),
              to == Type::kDate ? "dates read like 2024-02-29"
                                : "timestamps read like 2024-02-29T12:30:00Z");
    }
  } else if ((from == Type::kInt && to == Type::kFloat) ||
             (from == Type::kDate && to == Type::kTimestamp)) {
    made = finish(make(to, span, cast_kernel(from, to), list_of(std::move(node))));
  } else {
    return false;
  }
  made->span = span;
  node = std::move(made);
  return true;
}

std::optional<Type> Typer::unify(std::span<NodePtr> nodes) const {
  std::optional<Type> common;
  bool texts_wanted = false;
  auto meet = [&common](Type type) {
    if (!common || *common == type) {
      common = type;
    } else if (is_number(*common) && is_number(type)) {
      common = Type::kFloat;
    } else if (is_time(*common) && is_time(type)) {
      common = Type::kTimestamp;
    } else {
      return false;
    }
    return true;
  };
  // Literal texts take the type of what they stand beside; so they are looked at last.
  for (const NodePtr& node : nodes) {
    if (node->untyped) continue;
    if (node->type == Type::kString && node->literal) {
      texts_wanted = true;
    } else if (!meet(node->type)) {
      return std::nullopt;
    }
  }
  if (texts_wanted && common && *common == Type::kDate) {
    int32_t days = 0;
    int64_t micros = 0;
    for (const NodePtr& node : nodes) {
      if (node->type != Type::kString || node->untyped || !node->literal) continue;
      const std::string_view text = node->out.text_at(0);
      if (!read_date(text, days) && read_timestamp(text, micros)) common = Type::kTimestamp;
    }
  } else if (texts_wanted && (!common || !is_time(*common)) && !meet(Type::kString)) {
    return std::nullopt;
  }
  if (!common) common = Type::kString;
  for (NodePtr& node : nodes) {
    if (!coerce(node, *common)) return std::nullopt;
  }
  return common;
}

void Typer::mismatch(const Node& a, const Node& b, Span span, std::string_view what) const {
  const auto short_text = [this](const Node& node) {
    const std::string_view own = text(node.span);
    return own.size() <= 40 ? own : std::string_view("one side");
  };
  std::string hint;
  if (a.type == Type::kObject || b.type == Type::kObject) {
    const Node& object = a.type == Type::kObject ? a : b;
    const Node& other = &object == &a ? b : a;
    const Type to = other.type == Type::kObject ? Type::kString : other.type;
    hint = format("write {}({})", type_name(to), short_text(object));
  } else if (a.type == Type::kString && b.type != Type::kBinary) {
    hint = format("write {}({})", type_name(b.type), short_text(a));
  } else if (b.type == Type::kString && a.type != Type::kBinary) {
    hint = format("write {}({})", type_name(a.type), short_text(b));
  }
  fail_at(span,
          format("{} is {} and {} is {}: they {}", short_text(a), with_article(a.type),
                 short_text(b), with_article(b.type), what),
          hint);
}

NodePtr Typer::compare(NodePtr left, NodePtr right, Comparison comparison, Span span) const {
  std::vector<NodePtr> sides = list_of(std::move(left), std::move(right));
  const bool mixed = sides[0]->type != sides[1]->type && is_number(sides[0]->type) &&
                     is_number(sides[1]->type) && !sides[0]->untyped && !sides[1]->untyped;
  const bool texts = is_text(sides[0]->type) && is_text(sides[1]->type) && !sides[0]->untyped &&
                     !sides[1]->untyped;
  if (!mixed && !texts && !unify(sides)) mismatch(*sides[0], *sides[1], span, "can't be compared");
  if (sides[0]->constant && !sides[1]->constant) {
    std::swap(sides[0], sides[1]);
    comparison = swapped(comparison);
  }
  // An int column against 2.0 is one against 2.
  if (mixed && sides[1]->constant && sides[1]->type == Type::kFloat &&
      !sides[1]->is_null_constant()) {
    const double value = sides[1]->out.float_at(0);
    if (value == std::trunc(value) && value >= -0x1p62 && value <= 0x1p62) {
      const Span at = sides[1]->span;
      sides[1] = constant_int(static_cast<int64_t>(value));
      sides[1]->span = at;
    }
  }
  const Node::Kernel kernel = compare_kernel(comparison, sides[0]->type, sides[1]->type);
  if (kernel == nullptr) {
    if (sides[0]->type == Type::kBool) {
      fail_at(span, "bools have no order", "write == or !=, or the condition itself");
    }
    mismatch(*sides[0], *sides[1], span, "can't be compared");
  }
  return finish(make(Type::kBool, span, kernel, std::move(sides)));
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
