#include "towpath/stage/file_reader.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

// Where a lease goes on after a death.
struct Cursor {
  int64_t row = 0;  // of the batch: the file
  uint64_t byte = 0;
  int64_t line = 1;
  TOWPATH_FIELDS(row, byte, line)
};

}  // namespace

void FileText::part(Outputs& out) {
  count_bytes();
  out.part(to_bytes(Cursor{.row = row_, .byte = window_.byte(), .line = line_}));
}

void FileText::count_bytes() {
  const uint64_t consumed = file_.consumed();
  if (bytes_read_ != nullptr) bytes_read_->add(consumed - counted_);
  counted_ = consumed;
}

void FileReader::open(Services& services) { bytes_read_ = &services.counter("bytes_read"); }

void FileReader::process(const Batch& in, Outputs& out) {
  const StringColumn paths = in.strings("path");
  const Column* const sizes =
      in.has("size") && in.column("size").type == Type::kInt ? &in.column("size") : nullptr;
  Cursor start;
  if (!in.cursor().empty()) start = from_bytes<Cursor>(in.cursor());
  for (int64_t row = start.row; row < in.rows(); ++row) {
    InputFile file{std::string(paths[row])};
    FileText text(file, row, bytes_read_);
    const bool resumed = row == start.row && start.byte > 0;
    if (!begin(text, out, resumed)) continue;
    if (resumed) {
      text.window().seek(start.byte);
      text.set_line(start.line);
      text.counted_ = file.consumed();
    }
    read(text, out);
    text.count_bytes();
    // Rows that were never seen must not pass for the whole file.
    if (sizes && !sizes->is_null(row) &&
        file.consumed() < static_cast<uint64_t>(sizes->int_at(row))) {
      throw Invalid(
          format("{}: {} bytes were read, and the file had {} when it was listed: it "
                 "shrank; run again when nobody writes it",
                 file.path(), file.consumed(), sizes->int_at(row)));
    }
  }
}

}  // namespace towpath
