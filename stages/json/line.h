#pragma once
#include <simdjson.h>

#include <string_view>

#include "towpath/input/text_window.h"
#include "towpath/message/codec.h"

namespace json {

inline bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

// Parses a line in place, which works because a window has room behind its text.
inline simdjson::error_code parse_line(simdjson::dom::parser& parser, std::string_view line,
                                       simdjson::dom::element& into) {
  static_assert(simdjson::SIMDJSON_PADDING <= towpath::TextWindow::kPadding);
  return parser.parse(line.data(), line.size(), false).get(into);
}

// Writes the value as MessagePack. Throws NotSerialisable when it is nested deeper than a message
// may be.
void encode(towpath::Encoder& out, simdjson::dom::element value);

}  // namespace json
