#include <algorithm>
#include <iostream>

#include "towpath/base/format.h"
#include "towpath/cli/commands.h"
#include "towpath/cli/print_field.h"
#include "towpath/host/plugin_child.h"

namespace towpath::cli {
namespace {

// An example may have several lines.
std::string indented(const std::string& text) {
  std::string shown = "  ";
  for (const char c : text) {
    shown += c;
    if (c == '\n') shown += "  ";
  }
  return shown;
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
    print_field(field, field.name == spec.main_field() ? " (main)" : "");
  }
  const bool computes = std::ranges::any_of(spec.fields(), [](const FieldSpec& field) {
    return field.kind == FieldKind::kExpression || field.kind == FieldKind::kAssignments;
  });
  if (computes) std::cout << "\n`towpath functions` lists what an expression may call.\n";
  if (!spec.examples().empty()) std::cout << "\nExamples:\n";
  for (const std::string& example : spec.examples()) std::cout << indented(example) << '\n';
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
  std::cout
      << "\n`towpath stages NAME` explains one, `towpath options` what each may say beside.\n";
  return 0;
}

}  // namespace towpath::cli
