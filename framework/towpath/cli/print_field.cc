#include "towpath/cli/print_field.h"

#include <iostream>

#include "towpath/base/format.h"

namespace towpath::cli {
namespace {

std::string show_kind(const FieldSpec& field) {
  const auto bounds = [&field](std::string_view name) {
    std::string text(name);
    if (field.min && field.max)
      text += format(", {} to {}", *field.min, *field.max);
    else if (field.min)
      text += format(", at least {}", *field.min);
    if (!field.unit.empty()) text += " " + field.unit;
    return text;
  };
  switch (field.kind) {
    case FieldKind::kString:
      return "text";
    case FieldKind::kInt:
      return bounds("integer");
    case FieldKind::kFloat:
      return bounds("number");
    case FieldKind::kBool:
      return "true or false";
    case FieldKind::kBytes:
      return "size, as 64MiB";
    case FieldKind::kDuration:
      return "duration, as 60s";
    case FieldKind::kChoice: {
      std::string text = "one of";
      for (const std::string& choice : field.choices) text += " " + choice;
      return text;
    }
    case FieldKind::kPath:
      return "path";
    case FieldKind::kColumn:
      return "column";
    case FieldKind::kColumns:
      return "column, or list of columns";
    case FieldKind::kExpression:
      return field.result.empty() ? "expression" : "expression that gives " + field.result;
    case FieldKind::kAssignments:
      return "map of column: expression";
    case FieldKind::kAggregates:
      return "map of column: count() sum(x) mean(x) min(x) max(x) distinct(x)";
    case FieldKind::kSortKeys:
      return "column, or list of columns, each with asc or desc behind it";
    case FieldKind::kTypes:
      return "map of column: type";
    case FieldKind::kStrings:
      return "text, or list of text";
    case FieldKind::kAny:
      return "see the examples";
  }
  return "";
}

}  // namespace

void print_field(const FieldSpec& field, std::string_view mark) {
  std::string name = field.rest ? format("{} (every other key)", field.name) : field.name;
  name += mark;
  std::cout << format("  {:<24} {}\n", name, show_kind(field));
  std::string more = field.help;
  if (field.required) {
    more += " Required.";
  } else if (field.fallback) {
    more += format(" Default: {}.", field.fallback->empty() ? "''" : *field.fallback);
  }
  std::cout << format("  {:<24}   {}\n", "", more);
}

}  // namespace towpath::cli
