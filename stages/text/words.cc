#include "stages/text/words.h"

#include <array>

using namespace towpath;

namespace {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

constexpr std::array<bool, 256> kSpace = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) table[static_cast<size_t>(c)] = is_space(static_cast<char>(c));
  return table;
}();

bool space_at(const char* at) { return kSpace[static_cast<unsigned char>(*at)]; }

}  // namespace

StageSpec Words::describe() {
  return StageSpec("text.words")
      .summary(
          "Splits text into words, one row a word: runs of bytes that are not ASCII white space.")
      .field(column_field("column").default_value("line").about("Column that holds the text."))
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
  out.column<std::string_view>("word");
  ColumnBuilder& word = out.builder("word");
  const StringColumn text = in.strings(column_);
  for (int64_t row = 0; row < in.rows(); ++row) {
    const std::string_view line = text[row];
    const char* at = line.data();
    const char* const end = at + line.size();
    for (;;) {
      while (at != end && space_at(at)) ++at;
      if (at == end) break;
      const char* first = at;
      while (at != end && !space_at(at)) ++at;
      const char* last = at;
      if (strip_) {
        while (first != last && is_punctuation(*first)) ++first;
        while (first != last && is_punctuation(last[-1])) --last;
        if (first == last) continue;
      }
      out.from(row);
      if (lower_) {
        char* into = word.text().extend(static_cast<size_t>(last - first));
        while (first != last) *into++ = to_lower(*first++);
        word.end_text();
      } else {
        word.put_text({first, static_cast<size_t>(last - first)});
      }
    }
  }
}

TOWPATH_STAGE(Words)
