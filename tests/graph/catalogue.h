#pragma once
#include <map>
#include <optional>
#include <string>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/graph/planner.h"

// A catalogue made by hand, and plans of YAML texts over it.

namespace towpath::testing {

inline Catalogue make_catalogue() {
  Catalogue catalogue;
  auto add = [&](StageSpec spec, Role role) { catalogue.add(spec.role(role), "lib/test.so"); };
  add(StageSpec("files")
          .field(field("path", FieldKind::kStrings).must())
          .main_field("path")
          .writes("path", Type::kString)
          .writes("size", Type::kInt),
      Role::kSource);
  add(StageSpec("generate")
          .field(field("rows", FieldKind::kInt).must().range(1, 1000000))
          .main_field("rows")
          .writes("n", Type::kInt),
      Role::kSource);
  add(StageSpec("csv.read")
          .field(field("path", FieldKind::kStrings))
          .field(field("types", FieldKind::kTypes))
          .main_field("path")
          .reads_files()
          .detects_columns()
          .writes_rule(OutputRule::Kind::kTypesOf, "types"),
      Role::kStage);
  add(StageSpec("text.read")
          .field(field("path", FieldKind::kStrings))
          .main_field("path")
          .reads_files()
          .writes("line", Type::kString),
      Role::kStage);
  add(StageSpec("text.words")
          .field(column_field("column").default_value("line"))
          .main_field("column")
          .reads("column")
          .writes("word", Type::kString),
      Role::kStage);
  add(StageSpec("filter")
          .field(expression_field("where", "bool").must())
          .main_field("where")
          .keeps_input()
          .row_to_row(),
      Role::kStage);
  add(StageSpec("map")
          .field(field("columns", FieldKind::kAssignments).must().takes_rest())
          .keeps_input()
          .writes_rule(OutputRule::Kind::kAssignments, "columns")
          .row_to_row(),
      Role::kStage);
  add(StageSpec("select")
          .field(field("columns", FieldKind::kColumns).default_value("[]"))
          .main_field("columns")
          .writes_rule(OutputRule::Kind::kColumnsOf, "columns")
          .row_to_row()
          .example("select: [day, qty]"),
      Role::kStage);
  add(StageSpec("group")
          .field(field("by", FieldKind::kColumns).default_value("[]"))
          .field(field("columns", FieldKind::kAggregates).takes_rest())
          .writes_rule(OutputRule::Kind::kColumnsOf, "by")
          .writes_rule(OutputRule::Kind::kAssignments, "columns")
          .stateful()
          .keyed_by("by"),
      Role::kStage);
  add(StageSpec("sort")
          .field(field("by", FieldKind::kSortKeys).must())
          .main_field("by")
          .keeps_input()
          .stateful(),
      Role::kStage);
  add(StageSpec("core.merge")
          .field(field("by", FieldKind::kColumns).must())
          .main_field("by")
          .keeps_input()
          .one_worker(),
      Role::kStage);
  add(StageSpec("csv.write").field(field("path", FieldKind::kPath).must()).main_field("path"),
      Role::kSink);
  add(StageSpec("sqlite.write")
          .field(field("path", FieldKind::kPath).must())
          .field(field("table", FieldKind::kString).must())
          .field(choice_field("mode", {"append", "replace"}).default_value("append"))
          .shares_file_by("table"),
      Role::kSink);
  add(StageSpec("discard"), Role::kSink);
  return catalogue;
}

struct Planned {
  std::optional<Plan> plan;
  std::string problems;
};

inline Planned make_plan(std::string yaml, PlanOptions options = {}) {
  static const Catalogue catalogue = make_catalogue();
  if (options.cpu_count == 1) options.cpu_count = 4;
  Document document = Document::parse("conf/a.yaml", std::move(yaml));
  const SchemaDetector detect = [](const Catalogue::Entry&, const Settings& settings) -> Schema {
    const std::string path = settings.get_strings("path").at(0);
    if (path.find("broken") != path.npos) throw Invalid(format("{} has no header", path));
    return {{"day", Type::kDate},
            {"country", Type::kString},
            {"qty", Type::kInt},
            {"price", Type::kFloat}};
  };
  Planned planned;
  planned.plan = plan(document, catalogue, options, detect);
  planned.problems = document.show_problems();
  return planned;
}

// The problems of a pipeline whose stages are these lines (each indented by two).
inline std::string problems_of(const std::string& stages, PlanOptions options = {}) {
  return make_plan("towpath: 1\nstages:\n" + stages, std::move(options)).problems;
}

}  // namespace towpath::testing
