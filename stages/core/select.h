#pragma once
#include "stages/core/expressions.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// Keeps the columns named, in that order, and drops all others; can rename and compute on the way.
class Select final : public Stage {
 public:
  static StageSpec describe();
  explicit Select(const Settings& settings);
  void process(const Batch& in, Outputs& out) override { computed_.put(in, out); }

 private:
  Expressions computed_;
};

}  // namespace towpath::core
