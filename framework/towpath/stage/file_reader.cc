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
  uint64_t device = 0, inode = 0, size = 0;  // the file's identity
  int64_t modified = 0;
  TOWPATH_FIELDS(row, byte, line, device, inode, size, modified)
};

// Rows of two files, or of two states of one, must not pass for those of one. A file that merely
// grew holds what was read of it still.
void check_same(const InputFile& file, const Cursor& start) {
  const FileIdentity& now = file.identity();
  const bool replaced = now.device != start.device || now.inode != start.inode;
  const bool changed =
      now.size < start.size || (now.size == start.size && now.modified != start.modified);
  if (!replaced && !changed) return;
  throw Invalid(
      format("{}: it was {} while it was read: its reader died at byte {} and can't go on in {}; "
             "run again when nobody writes it",
             file.path(), replaced ? "replaced by another file" : "changed", start.byte,
             replaced ? "the other" : "what stands there now"));
}

}  // namespace

void FileText::part(Outputs& out) {
  count_bytes();
  const FileIdentity& identity = file_.identity();
  out.part(to_bytes(Cursor{.row = row_,
                           .byte = window_.byte(),
                           .line = line_,
                           .device = identity.device,
                           .inode = identity.inode,
                           .size = identity.size,
                           .modified = identity.modified}));
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
    if (resumed) check_same(file, start);
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
