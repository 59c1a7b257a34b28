#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "stages/core/aggregates.h"
#include "stages/core/expressions.h"
#include "stages/core/key_table.h"
#include "stages/core/row_key.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// One row for each different key, with aggregates over the rows that have it. Keys come out
// ascending, nulls first; without `by` all rows are one group, which comes out even if there were
// none.
//
// A row on which an aggregate's argument fails is rejected and counts nowhere. A group whose
// integer sum does not fit is rejected as a whole when it would come out.
class Group final : public Stage, public Stateful {
 public:
  static StageSpec describe();
  explicit Group(const Settings& settings);
  void process(const Batch& in, Outputs& out) override;
  bool finish(int port, Outputs& out) override;
  uint64_t state_bytes() const override;
  void save(int partition, Encoder& out) override;
  void restore(int partition, Decoder& in) override;

 private:
  struct Result {
    std::string name;
    int argument = -1;  // position in `arguments_`; -1: none
    std::unique_ptr<Aggregate> aggregate;
  };
  void add_rows(const Batch& in, Outputs& rejects);
  void order_groups();
  void clear();
  void sort_by_partition();
  std::string problem(uint32_t group) const;
  std::string show_key(uint32_t group) const;

  const std::vector<std::string> by_;
  const Schema input_;
  const uint64_t partitions_;  // those that this member of a pool owns
  const uint64_t batch_rows_;
  RowKey key_;
  Expressions arguments_;
  std::vector<Result> results_;

  KeyTable groups_;
  std::vector<uint32_t> order_;  // of groups by key, once the input has ended
  size_t given_ = 0;             // so many of `order_` are out already
  bool ordered_ = false;

  // While a state is saved: the groups, partition by partition, and where each begins.
  std::vector<uint32_t> by_partition_;
  std::array<size_t, kPartitions + 1> begins_{};

  // Scratch of process().
  std::vector<uint64_t> hashes_;
  std::vector<int32_t> rows_;
  std::vector<uint32_t> group_of_row_;
  std::string scratch_;
};

}  // namespace towpath::core
