#pragma once
#include <string>
#include <vector>

#include "towpath/stage/file_reader.h"

// Reads blocks of "Key: value" lines, one row a block: Debian's control format and its relatives.
class Stanzas final : public towpath::FileReader {
 public:
  static towpath::StageSpec describe();
  static towpath::Schema detect(const towpath::Settings& settings);
  explicit Stanzas(const towpath::Settings& settings);

 private:
  struct Value {
    bool seen = false;
    bool joined = false;    // of several lines: the text stands in `lines`
    std::string_view text;  // else here, in the window
    std::string lines;
  };

  bool begin(towpath::FileText& file, towpath::Outputs& out, bool resumed) override;
  void read(towpath::FileText& file, towpath::Outputs& out) override;
  // The stanza that begins at the window, after empty lines have been consumed; false at the end.
  static bool next(towpath::FileText& file, std::string_view& stanza, int64_t& lines);
  static void pass(towpath::FileText& file, std::string_view stanza, int64_t lines);
  // Takes one stanza apart into values_; `line` is the number of its first line. Returns what is
  // wrong.
  std::string parse(std::string_view stanza, int64_t line);
  std::string take_line(std::string_view line, Value*& last);

  const towpath::Schema schema_;
  std::vector<std::string> keys_;  // in lower case, one for each column
  std::vector<Value> values_;
  bool only_comments_ = false;
  Value ignored_;  // of a key without column
};
