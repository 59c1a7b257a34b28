#pragma once
#include <string>
#include <vector>

#include "towpath/stage/stage.h"

namespace towpath::core {

// Keeps the rows for which a condition is true: not those where it is false or null.
// A row on which the condition fails (an overflow, a bad cast) is rejected.
class Filter final : public Stage {
 public:
  static StageSpec describe();
  explicit Filter(const Settings& settings);
  void process(const Batch& in, Outputs& out) override;

 private:
  Expression where_;
  ColumnBuilder result_{Type::kBool};
  std::vector<RowError> errors_;
  std::vector<int32_t> kept_;
};

}  // namespace towpath::core
