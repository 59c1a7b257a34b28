#include "stages/text/words.h"

#include "stages/text/word_scan.h"
#include "towpath/base/ascii.h"

using namespace towpath;

namespace {

constexpr bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

std::string_view stripped(std::string_view word) {
  while (!word.empty() && is_punctuation(word.front())) word.remove_prefix(1);
  while (!word.empty() && is_punctuation(word.back())) word.remove_suffix(1);
  return word;
}

}  // namespace

StageSpec Words::describe() {
  return StageSpec("text.words")
      .summary(
          "Splits text into words, one row a word: runs of bytes that are not ASCII white space.")
      .field(column_field("column")
                 .of_type({Type::kString, Type::kBinary})
                 .default_value("line")
                 .about("Column that holds the text."))
      .field(field("lower", FieldKind::kBool).default_value("false").about("Turns A-Z into a-z."))
      .field(choice_field("strip", {"none", "punctuation"})
                 .default_value("none")
                 .about("Takes ASCII punctuation off both ends of a word; none left: no word."))
      .main_field("column")
      .reads("column")
      .writes("word", Type::kString)
      .example("text.words:")
      .example("text.words: { column: body, lower: true, strip: punctuation }");
}

Words::Words(const Settings& settings)
    : column_(settings.get_string("column")),
      lower_(settings.get_bool("lower")),
      strip_(settings.get_string("strip") == "punctuation") {}

void Words::process(const Batch& in, Outputs& outputs) {
  Output& out = outputs.main();
  ColumnBuilder& column = out.builder("word");
  const StringColumn text = in.strings(column_);
  for (int64_t row = 0; row < in.rows(); ++row) {
    WordScan::each(text[row], [&](std::string_view word) {
      if (strip_) word = stripped(word);
      if (word.empty()) return;
      out.from(row);
      if (lower_) {
        std::transform(word.begin(), word.end(), column.text().extend(word.size()), to_lower);
        column.end_text();
      } else {
        column.put_text(word);
      }
    });
  }
}

TOWPATH_STAGE(Words)
