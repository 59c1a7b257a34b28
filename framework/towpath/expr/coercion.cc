#include <algorithm>
#include <cmath>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/expr/constants.h"
#include "towpath/expr/operators.h"
#include "towpath/expr/typer.h"
#include "towpath/message/json.h"

// What the typer does beyond names: folding what is constant, and bringing types together.

namespace towpath::expr {

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
  NodePtr folded = constant_of(*node);
  folded->span = node->span;
  return folded;
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
    bool finer = false;
    if (to == Type::kDate && read_date(text, days)) {
      made = constant_date(days);
    } else if (to == Type::kTimestamp && read_timestamp(text, micros, &finer) && !finer) {
      made = constant_int(micros, Type::kTimestamp);
    } else if (finer) {
      fail_at(span, format("'{}' is finer than a microsecond, which no timestamp is", text),
              "leave out all but six digits of the second");
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
    bool finer = false;
    for (const NodePtr& node : nodes) {
      if (node->type != Type::kString || node->untyped || !node->literal) continue;
      const std::string_view text = node->out.text_at(0);
      if (!read_date(text, days) && read_timestamp(text, micros, &finer)) common = Type::kTimestamp;
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

}  // namespace towpath::expr
