#include <iostream>

#include "towpath/base/format.h"
#include "towpath/cli/commands.h"
#include "towpath/host/plugin_child.h"

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

std::string_view role_name(const StageSpec& spec) {
  switch (spec.role()) {
    case Role::kSource:
      return "source";
    case Role::kSink:
      return "sink";
    case Role::kStage:
      return spec.is_reader() ? "reader" : "stage";
  }
  return "";
}

void explain(const Catalogue::Entry& entry) {
  const StageSpec& spec = entry.spec;
  std::cout << format("{} ({})\n  {}\n", spec.kind(), role_name(spec), spec.summary());
  if (!spec.fields().empty()) std::cout << "\nFields:\n";
  for (const FieldSpec& field : spec.fields()) {
    std::string name = field.rest ? format("{} (every other key)", field.name) : field.name;
    if (field.name == spec.main_field()) name += " (main)";
    std::cout << format("  {:<24} {}\n", name, show_kind(field));
    std::string more = field.help;
    if (field.required) {
      more += " Required.";
    } else if (field.fallback) {
      more += format(" Default: {}.", field.fallback->empty() ? "''" : *field.fallback);
    }
    std::cout << format("  {:<24}   {}\n", "", more);
  }
  if (!spec.examples().empty()) std::cout << "\nExamples:\n";
  for (const std::string& example : spec.examples()) std::cout << "  " << example << '\n';
}

}  // namespace

int stages(const StagesArguments& arguments) {
  const PluginScan scan = load_catalogue();
  for (const PluginScan::Problem& problem : scan.problems) std::cerr << problem.message << '\n';
  if (!arguments.name.empty()) {
    if (const Catalogue::Entry* entry = scan.catalogue.find(arguments.name)) {
      explain(*entry);
      return 0;
    }
    const std::string_view near = scan.catalogue.nearest_kind(arguments.name);
    std::cerr << format(
        "towpath: there is no stage \"{}\"{}\n", arguments.name,
        near.empty() ? "; `towpath stages` lists them" : format("; did you mean \"{}\"?", near));
    return 2;
  }
  for (const auto& [kind, entry] : scan.catalogue.entries()) {
    if (kind.starts_with("core.")) continue;  // the planner's own
    std::cout << format("{:<16} {:<7} {}\n", kind, role_name(entry.spec), entry.spec.summary());
  }
  return 0;
}

}  // namespace towpath::cli
