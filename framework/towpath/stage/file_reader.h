#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "towpath/input/input_file.h"
#include "towpath/input/text_window.h"
#include "towpath/stage/stage.h"

namespace towpath {

// One file that a FileReader is reading, and how far it is.
class FileText {
 public:
  FileText(InputFile& file, int64_t row, Counter* bytes_read)
      : file_(file), window_(file), row_(row), bytes_read_(bytes_read) {}

  const std::string& path() const { return file_.path(); }
  TextWindow& window() { return window_; }
  int64_t line() const { return line_; }  // number of the line that window() is at, from 1
  void set_line(int64_t line) { line_ = line; }
  void add_lines(int64_t lines) { line_ += lines; }
  SourcePosition position() const { return {path(), line_, static_cast<int64_t>(window_.byte())}; }
  SourcePosition position(int64_t line, uint64_t byte) const {
    return {path(), line, static_cast<int64_t>(byte)};
  }

  // To be called between records, when all that came before window() is put out: a reader that dies
  // afterwards goes on here. Commits a part when one is due.
  void between_records(Outputs& out) {
    if (out.part_is_due()) part(out);
  }

 private:
  friend class FileReader;
  void part(Outputs& out);
  void count_bytes();

  InputFile& file_;
  TextWindow window_;
  int64_t row_;  // of the batch that names the file
  int64_t line_ = 1;
  Counter* bytes_read_;
  uint64_t counted_ = 0;
};

// A stage that reads the files named in the column `path` of its input, record by record. It keeps
// the books of a long lease: commits in parts, and goes on behind the last of them.
class FileReader : public Stage {
 public:
  void open(Services& services) override;
  void process(const Batch& in, Outputs& out) final;

 protected:
  // Called at byte 0 of each file, also before going on further down in it: consumes a header, if
  // there is one. False: the file is of no use, and rejected; with `resumed` nothing may be put
  // out, it was before.
  virtual bool begin(FileText& file, Outputs& out, bool resumed) {
    (void)file;
    (void)out;
    (void)resumed;
    return true;
  }
  // Reads all records from here to the end of the file.
  virtual void read(FileText& file, Outputs& out) = 0;

 private:
  Counter* bytes_read_ = nullptr;
};

}  // namespace towpath
