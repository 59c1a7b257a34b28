#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/input/text_window.h"

namespace csv {

struct Cell {
  const char* data = nullptr;  // without the quotes around it
  size_t size = 0;
  bool quoted = false;
  bool doubled = false;  // holds "" that stand for one quote each
  std::string_view raw() const { return {data, size}; }
};

// Appends the cell's text, each "" as one quote, through `append(std::string_view)`.
template <class Append>
void unquote(const Cell& cell, Append append) {
  std::string_view rest = cell.raw();
  for (size_t quote; (quote = rest.find('"')) != rest.npos; rest.remove_prefix(quote + 2)) {
    append(rest.substr(0, quote + 1));
  }
  append(rest);
}
std::string text_of(const Cell& cell);

// Cuts text into records and cells as RFC 4180 has it; also takes LF alone, and a quote inside a
// cell that does not begin with one. The text must have TextWindow::kPadding readable bytes behind
// it.
//
// Finds delimiters and line ends 64 bytes at a time: one bit a byte, so a cell costs a few
// instructions however it falls.
class Scanner {
 public:
  explicit Scanner(char delimiter) : delimiter_(delimiter) {}

  enum class Result {
    kRecord,      // cells(), length(), lines()
    kIncomplete,  // the text ends inside the record
    kBad,         // problem()
  };
  // A bad record, seen from where this text begins: it was inside quotes wherever a line begins, up
  // to the byte `until`. So whoever is inside quotes at one of these bytes ends as it did, however
  // far that was.
  struct Known {
    size_t until = 0;
    const char* problem = "";
  };
  // `last`: nothing follows the text, so its end also ends a record.
  Result scan(std::string_view text, bool last, const Known& known);

  std::span<const Cell> cells() const { return cells_; }
  size_t length() const { return length_; }  // with the line end; of a bad record, to what is bad
  int64_t lines() const { return lines_; }
  const char* problem() const { return problem_; }

 private:
  Result bad(const char* problem, size_t at);
  void aim(const char* at);  // the next mark will be the first at or behind `at`
  const char* next_mark();   // the delimiter or '\n' there; end_ if there is none
  void pass_mark() { marks_ &= marks_ - 1; }
  uint64_t marks_of(const char* block) const;

  const char delimiter_;
  const char* block_ = nullptr;  // 64 bytes, of which marks_ tells
  const char* end_ = nullptr;
  uint64_t marks_ = 0;
  const char* next_ = nullptr;  // where the last record ended
  std::vector<Cell> cells_;
  size_t length_ = 0;
  int64_t lines_ = 0;
  const char* problem_ = "";
};

// The records of a file, one after another.
class Records {
 public:
  Records(towpath::TextWindow& window, char delimiter) : window_(window), scanner_(delimiter) {}

  // Finds the next record, which begins at window.byte(); false at the end. Then pass() it.
  bool next();
  // Null, or what is wrong: cells() mean nothing then, and only the record's first line is passed
  // over, because what looks like its rest may be rows of their own.
  const char* problem() const { return problem_; }
  std::span<const Cell> cells() const { return scanner_.cells(); }
  std::string_view raw() const;  // without its line end
  // Whether a CR stands outside quotes, but before a line end (of a bad record: anywhere in raw()),
  // and whether the record, or its first line, ends in LF. Of files whose lines end in CR alone,
  // the first record is all of it.
  bool has_lone_cr() const;
  bool ends_in_lf() const;
  int64_t lines() const { return problem_ ? 1 : scanner_.lines(); }
  void pass();

 private:
  towpath::TextWindow& window_;
  Scanner scanner_;
  const char* problem_ = nullptr;
  uint64_t bad_until_ = 0;  // what Scanner::Known is about, as a byte of the file's text
  const char* bad_ = "";
};

}  // namespace csv
