#pragma once
#include <string>
#include <vector>

#include "towpath/stage/stage.h"

namespace towpath::core {

// Writes rows to standard output, as they come: at least once, should a run be resumed.
//
// A table's columns are as wide as its first rows ask for, so these are held back until there are
// enough of them; longer values further down stick out.
class Print final : public Sink {
 public:
  static StageSpec describe();
  explicit Print(const Settings& settings);
  void open(Services& services, std::optional<std::string_view> position) override;
  void write(const Batch& in, Outputs& rejects) override;
  std::string prepare(uint64_t epoch, Outputs& rejects) override;
  void commit(uint64_t) override {}
  void close() override;
  void discard() override;

 private:
  void add_json(const Batch& in, int64_t row);
  void add_tsv(const Batch& in, int64_t row);
  void add_to_table(const Batch& in, int64_t row);
  void show_held_rows();
  void show_line(const std::vector<std::string>& cells);
  void flush();

  const std::string format_;
  const Schema schema_;
  std::string text_;  // not yet written
  std::vector<std::vector<std::string>> held_;
  std::vector<size_t> widths_;  // empty until the table has begun
};

}  // namespace towpath::core
