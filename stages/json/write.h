#pragma once
#include <string>
#include <vector>

#include "towpath/stage/file_sink.h"

// Writes JSON Lines: one object a row, with every column in order; null as null, dates and
// timestamps as ISO text.
class JsonlWrite final : public towpath::FileSink {
 public:
  static towpath::StageSpec describe();
  explicit JsonlWrite(const towpath::Settings& settings);

 private:
  void row(const towpath::Batch& in, int64_t row, std::string& out) override;
  void put_value(const towpath::Batch& in, size_t column, int64_t row, std::string& out) const;

  std::vector<std::string> keys_;  // as they stand before a value: `"name":`
};
