#pragma once
#include "towpath/stage/stage.h"

// Keeps the words of more than so many bytes. A stage of this program: the pipeline knows it by its
// kind, like any stage of a plugin.
class LongerThan final : public towpath::RowStage {
 public:
  static towpath::StageSpec describe();
  explicit LongerThan(const towpath::Settings& settings);
  void row(const towpath::Row& in, towpath::Outputs& out) override;

 private:
  const size_t bytes_;
};
