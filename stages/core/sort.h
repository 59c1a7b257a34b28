#pragma once
#include <vector>

#include "stages/core/row_key.h"
#include "stages/core/row_store.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// All rows in the order of some columns; rows that are equal there keep the order they came in.
class Sort final : public Stage, public Stateful {
 public:
  static StageSpec describe();
  explicit Sort(const Settings& settings);
  void process(const Batch& in, Outputs& out) override;
  bool finish(int port, Outputs& out) override;
  void save(int partition, Encoder& out) override;
  void restore(int partition, Decoder& in) override;

 private:
  void order_rows();

  RowKey key_;
  const uint64_t batch_rows_;
  RowStore rows_;
  std::vector<uint32_t> order_;  // of the rows, once the input has ended
  size_t given_ = 0;             // so many of `order_` are out already
  bool ordered_ = false;
  std::vector<int32_t> all_;  // scratch
};

}  // namespace towpath::core
