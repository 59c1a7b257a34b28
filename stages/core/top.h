#pragma once
#include <string>
#include <vector>

#include "stages/core/byte_store.h"
#include "stages/core/row_key.h"
#include "stages/core/row_store.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// The first n rows of what sort would give, in memory for about three times n rows.
class Top final : public Stage, public Stateful {
 public:
  static StageSpec describe();
  explicit Top(const Settings& settings);
  void process(const Batch& in, Outputs& out) override;
  bool finish(int port, Outputs& out) override;
  uint64_t state_bytes() const override;
  void save(int partition, Encoder& out) override;
  void restore(int partition, Decoder& in) override;

 private:
  void add(const Batch& in);
  std::vector<uint32_t> first_rows() const;
  void prune();
  void clear();

  const size_t n_;
  RowKey key_;
  const uint64_t batch_rows_;
  RowStore rows_;
  ByteStore bytes_;
  std::vector<const char*> keys_;  // of rows_
  bool full_ = false;              // n rows were kept: only a key below `last_` can get among them
  std::string last_;
  size_t kept_bytes_ = 0;        // of rows_ after pruning
  std::vector<uint32_t> order_;  // of the first n rows, once the input has ended
  size_t given_ = 0;             // so many of `order_` are out already
  bool ordered_ = false;
  // Scratch.
  std::string key_bytes_;
  std::vector<int32_t> taken_;
};

}  // namespace towpath::core
