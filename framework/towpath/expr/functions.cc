#include "towpath/expr/functions.h"

#include <algorithm>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/message/json.h"

namespace towpath::expr {
namespace {

struct Family {
  std::string_view title;
  std::span<const Function> functions;
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"numbers", math_functions()},      {"choices", logic_functions()},
      {"texts", text_functions()},        {"patterns (RE2)", pattern_functions()},
      {"dates, times", time_functions()}, {"casts", cast_functions()},
      {"others", row_functions()}};
  return all;
}

const Function* find_function(std::string_view name) {
  for (const Family& family : families()) {
    for (const Function& function : family.functions) {
      if (function.name == name) return &function;
    }
  }
  return nullptr;
}

[[noreturn]] void unknown(const Call& call) {
  std::string hint;
  for (const std::string_view aggregate : {"sum", "count", "mean", "avg", "distinct"}) {
    if (call.name == aggregate) hint = "a sum over rows belongs in a group stage";
  }
  for (const std::string_view length : {"len", "char_length"}) {
    if (call.name == length) hint = "did you mean length?";
  }
  if (hint.empty()) {
    std::vector<std::string_view> names;
    for (const Family& family : families()) {
      for (const Function& function : family.functions) names.push_back(function.name);
    }
    const std::string_view near = nearest(call.name, names.data(), names.data() + names.size());
    if (!near.empty()) {
      hint = format("did you mean {}?", near);
    } else {
      std::ranges::sort(names);
      hint = "functions:";
      for (const std::string_view name : names) hint += format(" {}", name);
    }
  }
  fail_at(call.name_span, format("no function \"{}\"", call.name), hint);
}

}  // namespace

void Call::wrong(size_t i, std::string_view wanted, const std::string& hint) const {
  fail_at(args[i]->span,
          format("{}: argument {} is {}; it takes {}", name, i + 1, with_article(args[i]->type),
                 wanted),
          hint);
}

void Call::want(size_t i, Type type) {
  if (typer.coerce(args[i], type)) return;
  const std::string_view own = typer.text(args[i]->span);
  std::string hint;
  if (type != Type::kObject && type != Type::kBinary && own.size() <= 40) {
    hint = format("write {}({})", type_name(type), own);
  }
  wrong(i, with_article(type), hint);
}

void Call::want_from(size_t first, Type type) {
  for (size_t i = first; i < args.size(); ++i) want(i, type);
}

bool Call::want_number(size_t i) {
  if (args[i]->untyped) typer.coerce(args[i], Type::kInt);
  if (type(i) == Type::kInt) return true;
  if (type(i) == Type::kFloat) return false;
  const std::string_view own = typer.text(args[i]->span);
  wrong(i, "a number",
        type(i) == Type::kString || type(i) == Type::kObject
            ? format("write int({0}) or float({0})", own)
            : "");
}

void Call::want_time(size_t i) {
  if (args[i]->untyped) typer.coerce(args[i], Type::kTimestamp);
  if (type(i) == Type::kString && args[i]->literal) {
    int32_t days = 0;
    typer.coerce(args[i],
                 read_date(args[i]->out.text_at(0), days) ? Type::kDate : Type::kTimestamp);
  }
  if (type(i) == Type::kDate || type(i) == Type::kTimestamp) return;
  const std::string_view own = typer.text(args[i]->span);
  wrong(i, "a date or timestamp",
        type(i) == Type::kString ? format("write date({0}) or timestamp({0})", own) : "");
}

Type Call::want_same(size_t first) {
  const auto rest = std::span(args).subspan(first);
  if (const auto common = typer.unify(rest)) return *common;
  for (const NodePtr& arg : rest) {
    if (arg->type != rest[0]->type) {
      typer.mismatch(*rest[0], *arg, span, format("have no type in common in {}", name));
    }
  }
  wrong(first, "values of one type");
}

std::string_view Call::constant_text(size_t i, std::string_view what) {
  want(i, Type::kString);
  if (!args[i]->constant || args[i]->is_null_constant()) {
    fail_at(args[i]->span, format("{}: the {} must be a constant text", name, what));
  }
  return args[i]->out.text_at(0);
}

NodePtr bind_call(Call call) {
  const Function* function = find_function(call.name);
  if (function == nullptr) unknown(call);
  if (call.size() < function->least || call.size() > function->most) {
    std::string takes;
    if (function->most == kAnyNumber) {
      takes = format("at least {}", function->least);
    } else if (function->least == function->most) {
      takes = format("{}", function->least);
    } else {
      takes = format("{} to {}", function->least, function->most);
    }
    fail_at(
        call.span,
        format("{} takes {} argument{}, not {}", call.name, takes,
               function->most == 1 || (function->most == kAnyNumber && function->least == 1) ? ""
                                                                                             : "s",
               call.size()),
        format("write {}", function->signature));
  }
  return function->bind(call);
}

}  // namespace towpath::expr

namespace towpath {

std::vector<FunctionFamily> expression_functions() {
  std::vector<FunctionFamily> all;
  for (const expr::Family& family : expr::families()) {
    FunctionFamily& shown = all.emplace_back();
    shown.title = family.title;
    for (const expr::Function& function : family.functions) {
      shown.signatures.push_back(function.signature);
    }
  }
  return all;
}

}  // namespace towpath
