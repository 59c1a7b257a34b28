#include "stages/core/filter.h"

namespace towpath::core {

StageSpec Filter::describe() {
  return StageSpec("filter")
      .summary("Keeps the rows for which a condition is true.")
      .field(expression_field("where", "bool")
                 .must()
                 .about("Condition over the row's columns; a row where it is null is left out."))
      .main_field("where")
      .keeps_input()
      .row_to_row()
      .example("filter: qty > 0 and country != ''")
      .example("filter: { where: \"country in ('DE', 'FR')\" }");
}

Filter::Filter(const Settings& settings) : where_(settings.expression("where")) {}

void Filter::process(const Batch& in, Outputs& out) {
  errors_.clear();
  where_.run(in, result_, errors_);
  for (const RowError& error : errors_) out.reject(in, error.row, error.reason);

  const Column result = result_.view();
  kept_.clear();
  for (int32_t row = 0; row < in.rows(); ++row) {
    if (result.bool_at(row) && !result.is_null(row)) kept_.push_back(row);
  }
  out.main().forward(in, kept_);
}

TOWPATH_STAGE(Filter)

}  // namespace towpath::core
