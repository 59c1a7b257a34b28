#pragma once
#include <string>
#include <vector>

#include "towpath/input/glob.h"
#include "towpath/stage/stage.h"

// Names the files that match, one a row, for a reader behind it.
class Files final : public towpath::Source {
 public:
  static towpath::StageSpec describe();
  explicit Files(const towpath::Settings& settings);
  void open(towpath::Services& services, std::optional<std::string_view> token) override;
  Read read(towpath::Outputs& out) override;

 private:
  const std::vector<std::string> patterns_;
  const uint64_t batch_rows_;
  std::vector<towpath::FoundFile> files_;
  size_t next_ = 0;
  uint64_t done_ = 0, total_ = 0;  // bytes
};
