#pragma once
#include <string>
#include <vector>

#include "towpath/input/partial_file.h"
#include "towpath/stage/stage.h"

// Writes one CSV file: LF, quotes only where they are needed, null as nothing, '' as "", floats as
// the shortest text that reads back the same. The file has its name only when it is complete.
class CsvWrite final : public towpath::Sink {
 public:
  static towpath::StageSpec describe();
  explicit CsvWrite(const towpath::Settings& settings);
  void open(towpath::Services& services, std::optional<std::string_view> position) override;
  void write(const towpath::Batch& in, towpath::Outputs& rejects) override;
  std::string prepare(uint64_t epoch) override;
  void commit(uint64_t epoch, towpath::Outputs& rejects) override;
  void close() override;
  void discard() override;

 private:
  void put_text(std::string_view text);
  void put_value(const towpath::Batch& in, const towpath::Column& column, size_t index,
                 int64_t row);

  const towpath::Schema schema_;
  const char delimiter_;
  const bool header_;
  bool special_[256] = {};  // bytes that a field may not hold unquoted
  towpath::PartialFile file_;
};
