#pragma once
#include <string>

#include "towpath/stage/stage.h"

// Splits the text of each row into words, one row a word. A word is a run of bytes that are not
// ASCII white space; what it holds is taken as it is unless `lower` or `strip` ask otherwise.
class Words final : public towpath::Stage {
 public:
  static towpath::StageSpec describe();
  explicit Words(const towpath::Settings& settings);
  void process(const towpath::Batch& in, towpath::Outputs& out) override;

 private:
  const std::string column_;
  const bool lower_, strip_;
};
