#include <iterator>
#include <string_view>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/expr/expression.h"
#include "towpath/expr/parser.h"
#include "towpath/expr/typer.h"

// count() sum(x) …, as `group` takes them: one call, around any expression.

namespace towpath {
namespace {

using Function = AggregateCall::Function;
constexpr struct {
  std::string_view name;
  Function function;
} kAggregates[] = {{"count", Function::kCount}, {"sum", Function::kSum},
                   {"mean", Function::kMean},   {"min", Function::kMin},
                   {"max", Function::kMax},     {"distinct", Function::kDistinct}};
constexpr std::string_view kForms =
    "aggregates: count() count(x) sum(x) mean(x) min(x) max(x) distinct(x)";

}  // namespace

AggregateCall AggregateCall::parse(std::string_view text, const Schema& input,
                                   const Bindings& bindings) {
  const expr::Ast ast = expr::parse(text);
  if (ast.kind != expr::Ast::Kind::kCall) {
    expr::fail_at(ast.outer, "not an aggregate", std::string(kForms));
  }
  AggregateCall call{};
  bool found = false;
  std::string_view names[std::size(kAggregates)];
  for (size_t i = 0; i < std::size(kAggregates); ++i) {
    names[i] = kAggregates[i].name;
    if (ast.text != names[i]) continue;
    call.function = kAggregates[i].function;
    found = true;
  }
  if (!found) {
    const std::string_view near =
        ast.text == "avg" ? "mean" : nearest(ast.text, std::begin(names), std::end(names));
    expr::fail_at(ast.name, format("no aggregate \"{}\"", ast.text),
                  near.empty() ? std::string(kForms) : format("did you mean {}?", near));
  }
  const size_t least = call.function == Function::kCount ? 0 : 1;
  if (ast.children.size() < least || ast.children.size() > 1) {
    expr::fail_at(ast.span, format("{} takes one argument, not {}", ast.text, ast.children.size()),
                  std::string(kForms));
  }
  call.type = Type::kInt;
  if (ast.children.empty()) return call;

  const expr::Ast& argument = ast.children[0];
  call.argument = text.substr(argument.outer.offset, argument.outer.length);
  const expr::NodePtr node = expr::Typer(text, input, bindings).type(argument);
  const Type type = node->type;
  if (node->untyped) expr::fail_at(argument.span, "a null of no type", "write its type: int(null)");
  const bool number = type == Type::kInt || type == Type::kFloat;
  switch (call.function) {
    case Function::kCount:
    case Function::kDistinct:
      return call;
    case Function::kSum:
    case Function::kMean:
      if (!number) {
        expr::fail_at(argument.span,
                      format("{} takes a number; {} is {}", ast.text, call.argument,
                             expr::with_article(type)),
                      type == Type::kString ? format("write {1}(int({0})) or {1}(float({0}))",
                                                     call.argument, ast.text)
                                            : "");
      }
      call.type = call.function == Function::kMean ? Type::kFloat : type;
      return call;
    case Function::kMin:
    case Function::kMax:
      if (type == Type::kBool || type == Type::kObject) {
        expr::fail_at(argument.span,
                      format("{}: values of type {} have no order", ast.text, type_name(type)));
      }
      call.type = type;
      return call;
  }
  return call;
}

}  // namespace towpath
