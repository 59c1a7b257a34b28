#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stages/core/generators.h"
#include "towpath/stage/stage.h"

namespace towpath::core {

// Made-up rows, the same for the same seed. A row depends on the seed and its number alone, so
// reading goes on anywhere, and batches of any size hold the same rows.
class Generate final : public Source {
 public:
  static StageSpec describe();
  static Schema detect(const Settings& settings);
  explicit Generate(const Settings& settings);
  void open(Services& services, std::optional<std::string_view> token) override;
  Read read(Outputs& out) override;

 private:
  std::vector<std::pair<std::string, std::unique_ptr<Generator>>> columns_;
  int64_t rows_;
  int64_t rows_a_batch_;
  int64_t next_ = 0;  // number of the next row, from 0: the token
};

}  // namespace towpath::core
