#include "towpath/stage/stage.h"

#include <algorithm>
#include <vector>

namespace towpath {

void RowStage::process(const Batch& in, Outputs& out) {
  for (int64_t number = 0; number < in.rows(); ++number) {
    out.mark();
    try {
      row(Row(in, number), out);
    } catch (const std::exception& error) {
      out.rollback();
      out.reject(in, number, error.what());
    }
    out.release();
  }
}

Batch validated(const Stateful& stage, const Batch& in, Outputs& out) {
  stage.validate(in, out);
  std::vector<int64_t> rejected(out.rejected_rows().begin(), out.rejected_rows().end());
  if (rejected.empty()) return in;
  std::sort(rejected.begin(), rejected.end());
  std::vector<int32_t> left;
  std::vector<uint8_t> partitions;
  for (int64_t row = 0; row < in.rows(); ++row) {
    if (std::binary_search(rejected.begin(), rejected.end(), row)) continue;
    left.push_back(static_cast<int32_t>(row));
    if (in.has_partitions()) partitions.push_back(static_cast<uint8_t>(in.partition(row)));
  }
  BatchBuilder rows(in.schema());
  rows.add_rows_from(in, left);
  for (size_t i = 0; i < in.schema().size(); ++i) rows.column(i).append(in.column(i), left);
  if (in.has_partitions()) rows.set_partitions(partitions);
  return rows.to_batch().leased(in.port(), std::string(in.cursor()), in.first_row());
}

}  // namespace towpath
