#pragma once
#include "stages/core/expressions.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// Adds columns, or replaces them, by expressions over the row; the other columns stay.
// All expressions see the row as it came in, so the order of the entries does not matter.
class Map final : public Stage {
 public:
  static StageSpec describe();
  explicit Map(const Settings& settings);
  void process(const Batch& in, Outputs& out) override { columns_.put(in, out); }

 private:
  Expressions columns_;
};

}  // namespace towpath::core
