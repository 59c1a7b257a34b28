#include "stages/text/read.h"

#include "towpath/base/format.h"

using namespace towpath;

StageSpec TextRead::describe() {
  return StageSpec("text.read")
      .summary(
          "Reads files as lines, one row a line, without its \"\\n\" or \"\\r\\n\"; a line of more "
          "than 64 MiB is rejected.")
      .field(field("path", FieldKind::kStrings)
                 .not_empty()
                 .about("Path or glob, or a list of them; gzip and zstd are seen by content. A "
                        "compressed file that is damaged or cut off ends the run, whatever "
                        "max_rejects allows: how many rows it lacks is not known."))
      .main_field("path")
      .reads_files()
      .writes("line", Type::kString)
      .example("text.read: logs/*.log");
}

void TextRead::read(FileText& file, Outputs& outputs) {
  Output& out = outputs.main();
  auto column = out.column<std::string_view>("line");
  TextWindow& window = file.window();
  while (const auto line = next_line(window)) {
    const SourcePosition position = file.position(file.line(), line->byte);
    if (line->too_long) {
      outputs.reject(position, line->text.substr(0, kMaxRaw),
                     format("line is longer than {} MiB", kMaxRecord >> 20));
      window.skip_line();
    } else {
      out.at(position);
      column.put(line->text);
    }
    file.add_lines(1);
    file.between_records(outputs);
  }
}

TOWPATH_STAGE(TextRead)
