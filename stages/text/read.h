#pragma once
#include "towpath/stage/file_reader.h"

// Reads files as lines, one row a line.
class TextRead final : public towpath::FileReader {
 public:
  static towpath::StageSpec describe();
  explicit TextRead(const towpath::Settings&) {}

 private:
  void read(towpath::FileText& file, towpath::Outputs& out) override;
};
