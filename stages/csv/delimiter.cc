#include "stages/csv/delimiter.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

char delimiter_of(const towpath::Settings& settings) {
  const std::string text = settings.get_string("delimiter");
  if (text == "tab") return '\t';
  if (text.size() != 1 || text.find_first_of("\"\r\n") != text.npos) {
    throw towpath::Invalid(towpath::format(
        "delimiter is \"{}\"; it must be one byte, not a quote and not a line end", text));
  }
  return text.front();
}
