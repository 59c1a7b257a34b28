#pragma once
#include <string>

#include "towpath/stage/file_sink.h"

// Writes one CSV file: LF, quotes only where they are needed, null as nothing, '' as "", floats as
// the shortest text that reads back the same.
class CsvWrite final : public towpath::FileSink {
 public:
  static towpath::StageSpec describe();
  explicit CsvWrite(const towpath::Settings& settings);

 private:
  void begin(std::string& out) override;
  void row(const towpath::Batch& in, int64_t row, std::string& out) override;
  void put_text(std::string_view text, std::string& out) const;
  void put_value(const towpath::Batch& in, size_t column, int64_t row, std::string& out) const;

  const towpath::Schema schema_;
  const char delimiter_;
  const bool header_;
  bool special_[256] = {};  // bytes that a cell may not hold unquoted
};
