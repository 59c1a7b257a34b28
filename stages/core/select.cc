#include "stages/core/select.h"

namespace towpath::core {

StageSpec Select::describe() {
  return StageSpec("select")
      .summary("Keeps the columns named, in that order, and drops all others.")
      .reads("columns")
      .field(field("columns", FieldKind::kColumns)
                 .default_value("[]")
                 .about("Columns to keep, in the order wanted."))
      .field(field("as", FieldKind::kAssignments)
                 .takes_rest()
                 .about("New name: old name, or any expression; these follow the columns kept."))
      .main_field("columns")
      .writes_rule(OutputRule::Kind::kColumnsOf, "columns")
      .writes_rule(OutputRule::Kind::kAssignments, "as")
      .row_to_row()
      .example("select: [day, country, total]")
      .example("select: { date: day, revenue: total }");
}

Select::Select(const Settings& settings)
    : computed_(settings,
                settings.has("as") ? settings.get_map("as") : decltype(settings.get_map("as")){}) {}

TOWPATH_STAGE(Select)

}  // namespace towpath::core
