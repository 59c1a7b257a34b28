#include "pipelines/word_count/longer_than.h"

using namespace towpath;

StageSpec LongerThan::describe() {
  return StageSpec("longer_than")
      .summary("Keeps the words of more than so many bytes.")
      .field(field("bytes", FieldKind::kInt)
                 .must()
                 .range(0, 1 << 20)
                 .about("The most that is dropped."))
      .main_field("bytes")
      .keeps_input()
      .row_to_row()
      .example("longer_than: 3");
}

LongerThan::LongerThan(const Settings& settings)
    : bytes_(static_cast<size_t>(settings.get_int("bytes"))) {}

void LongerThan::row(const Row& in, Outputs& out) {
  if (in.get<std::string_view>("word").size() > bytes_)
    out.main().forward_row(in.batch(), in.number());
}

TOWPATH_STAGE(LongerThan)
