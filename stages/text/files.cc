#include "stages/text/files.h"

#include <algorithm>

using namespace towpath;

namespace {
// A reader gets at least one file, and no further one that would make it read more than this: so a
// pool shares many small files, and a lease of them stays short.
constexpr uint64_t kBytesNamed = 8 << 20;
}  // namespace

StageSpec Files::describe() {
  return StageSpec("files")
      .summary("Names the files that match, one a row, sorted by path.")
      .field(field("path", FieldKind::kStrings)
                 .must()
                 .about("Path or glob, or a list of them; ** stands for any number of folders."))
      .main_field("path")
      .writes("path", Type::kString)
      .writes("size", Type::kInt)
      .example("files: logs/**/*.log.gz")
      .example("files: [a.csv, \"b-*.csv\"]");
}

Files::Files(const Settings& settings)
    : patterns_(settings.get_strings("path")), batch_rows_(settings.context().batch_rows) {}

void Files::open(Services& services, std::optional<std::string_view> token) {
  files_ = services.find_inputs(patterns_);
  for (const FoundFile& file : files_) total_ += file.size;
  if (!token) return;
  // The token is the last path named.
  while (next_ < files_.size() && files_[next_].path <= *token) done_ += files_[next_++].size;
}

Source::Read Files::read(Outputs& outputs) {
  Output& out = outputs.main();
  auto path = out.column<std::string_view>("path");
  auto size = out.column<int64_t>("size");
  uint64_t named = 0;
  for (uint64_t rows = 0; next_ < files_.size() && (batch_rows_ == 0 || rows < batch_rows_);
       ++rows) {
    const FoundFile& file = files_[next_];
    if (rows > 0 && named + file.size > kBytesNamed) break;
    out.at({.file = file.path, .line = 0, .byte = 0});
    path.put(file.path);
    size.put(static_cast<int64_t>(file.size));
    named += file.size;
    ++next_;
  }
  done_ += named;
  return {.state = next_ < files_.size() ? Read::kMore : Read::kEnd,
          .token = next_ > 0 ? files_[next_ - 1].path : "",
          .done = done_,
          .total = total_};
}

TOWPATH_STAGE(Files)
