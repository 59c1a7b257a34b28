#pragma once
#include <simdjson.h>

#include <string>
#include <vector>

#include "towpath/message/codec.h"
#include "towpath/message/text_value.h"
#include "towpath/stage/file_reader.h"

// Reads JSON Lines: one object a line, one row an object. What does not fit is rejected with file,
// line, byte and text.
class JsonlRead final : public towpath::FileReader {
 public:
  static towpath::StageSpec describe();
  // The columns, as the settings and the first MiB of the first file say.
  static towpath::Schema detect(const towpath::Settings& settings);
  explicit JsonlRead(const towpath::Settings& settings);

 private:
  bool begin(towpath::FileText& file, towpath::Outputs& out, bool resumed) override;
  void read(towpath::FileText& file, towpath::Outputs& out) override;
  // Fills row_ from one line. Returns what is wrong.
  std::string parse(std::string_view line);
  int column_of(std::string_view key);
  // False: the value is not of the column's type.
  bool take(size_t column, simdjson::dom::element element);

  const towpath::Schema schema_;
  const towpath::FieldIndex index_{schema_};
  std::vector<bool>
      cast_;  // `types` names the column: then it takes other values that can be read as its type
  bool ignore_extra_;
  simdjson::dom::parser parser_;
  size_t next_column_ = 0;  // where the next key is expected
  std::vector<towpath::TextValue> row_;
  std::vector<bool> given_;  // by the object that row_ is made of
  towpath::Encoder encoder_;
  std::vector<std::string> made_;  // text that had to be made for a value of row_
};
