#pragma once
#include <string>
#include <vector>

#include "stages/csv/scanner.h"
#include "towpath/message/text_value.h"
#include "towpath/stage/file_reader.h"

// Reads CSV files, one row a record. Rows that don't fit are rejected with file, line, byte and
// text.
class CsvRead final : public towpath::FileReader {
 public:
  static towpath::StageSpec describe();
  // The columns, as the settings and the first MiB of the first file say.
  static towpath::Schema detect(const towpath::Settings& settings);
  explicit CsvRead(const towpath::Settings& settings);

 private:
  bool begin(towpath::FileText& file, towpath::Outputs& out, bool resumed) override;
  void read(towpath::FileText& file, towpath::Outputs& out) override;
  // Finds the columns in the header: cell_of_, width_. Returns what is wrong, or nothing.
  std::string match(const std::vector<std::string>& header);
  // Empty, or why the record is no row.
  std::string parse(std::span<const csv::Cell> cells);
  void put(std::span<const csv::Cell> cells,
           const std::vector<towpath::ColumnBuilder*>& columns) const;

  const towpath::Schema schema_;
  const char delimiter_;
  const bool header_;
  const bool selected_;  // `columns` says which: others are of no interest
  const bool ignore_extra_, null_missing_;
  const int64_t skip_;
  std::vector<int> cell_of_;  // for each column: the cell that holds it; -1: none does
  size_t width_ = 0;          // cells a record of this file must have
  std::vector<towpath::TextValue> values_;  // of the row at hand
  std::vector<bool> guessed_;               // whose type nobody has named
};
