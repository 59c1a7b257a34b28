#pragma once
#include <string>
#include <vector>

#include "stages/core/byte_store.h"
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
  uint64_t state_bytes() const override;
  void save(int partition, Encoder& out) override;
  void restore(int partition, Decoder& in) override;

 private:
  void add_keys(const Batch& in);
  void order_rows();
  void clear();

  RowKey key_;
  const uint64_t batch_rows_;
  RowStore rows_;
  ByteStore bytes_;
  std::vector<const char*> keys_;  // of rows_, until they are ordered
  std::vector<uint32_t> order_;    // of the rows, once the input has ended
  size_t given_ = 0;               // so many of `order_` are out already
  bool ordered_ = false;
  // Scratch.
  std::vector<int32_t> all_;
  std::string key_bytes_;
};

}  // namespace towpath::core
