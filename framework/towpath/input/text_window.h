#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "towpath/input/input_file.h"

namespace towpath {

// No record (line, row, stanza) may be longer; readers reject a longer one and pass over it.
inline constexpr size_t kMaxRecord = 64 << 20;

// A window that moves over a file's text: what was read and not consumed yet, in one piece.
//
//   while (auto line = next_line(window)) …
//
// Memory     256 KiB, doubled for as long as one record does not fit, at most twice kMaxRecord.
// Views      are valid until the next grow(); kPadding bytes behind text() may be read, not
// trusted.
class TextWindow {
 public:
  static constexpr size_t kPadding = 64;

  explicit TextWindow(InputFile& file) : file_(&file), byte_(file.position()) {}

  std::string_view text() const { return {buffer_.get() + begin_, end_ - begin_}; }
  uint64_t byte() const { return byte_; }  // of the file's text, where text() begins
  // Reads more behind text(). False: the file has ended, text() is its last. Moves text().
  bool grow();
  bool at_end() { return begin_ == end_ && !grow(); }
  void consume(size_t bytes) {
    begin_ += bytes;
    byte_ += bytes;
  }
  // Goes forward to a byte of the file's text.
  void seek(uint64_t byte);
  // Consumes up to and with the next '\n', or all there is. For records that are too long to hold.
  void skip_line();
  const InputFile& file() const { return *file_; }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  InputFile* file_;
  std::unique_ptr<char[], Free> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0, end_ = 0;
  uint64_t byte_;
  bool ended_ = false;
};

// Consumes a UTF-8 byte order mark, if the window begins with one. Invalid for one of UTF-16: read
// as bytes, such a file would be garbage that nothing rejects.
void pass_byte_order_mark(TextWindow& window);

struct Line {
  std::string_view text;  // without its "\n" or "\r\n"
  uint64_t byte = 0;      // where it begins
  bool too_long =
      false;  // longer than kMaxRecord: `text` is its beginning; not consumed, see skip_line()
};

// The next line, consumed; none at the end. A last line needs no '\n'. A '\r' belongs to the line's
// end only where a '\n' follows. `text` is valid until the window grows.
std::optional<Line> next_line(TextWindow& window);

}  // namespace towpath
