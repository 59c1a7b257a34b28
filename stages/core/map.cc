#include "stages/core/map.h"

namespace towpath::core {

StageSpec Map::describe() {
  return StageSpec("map")
      .summary("Adds columns, or replaces them, by expressions over the row; the others stay.")
      .field(field("columns", FieldKind::kAssignments)
                 .must()
                 .takes_rest()
                 .about("New column: expression. All expressions see the row as it came in."))
      .keeps_input()
      .writes_rule(OutputRule::Kind::kAssignments, "columns")
      .row_to_row()
      .example("map: { total: qty * price, country: upper(country) }");
}

Map::Map(const Settings& settings) : columns_(settings, settings.get_map("columns")) {}

TOWPATH_STAGE(Map)

}  // namespace towpath::core
