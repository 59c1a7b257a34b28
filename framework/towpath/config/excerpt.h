#pragma once
#include <cstddef>
#include <string>
#include <string_view>

// Source text as a terminal shows it.

namespace towpath {

// Columns that UTF-8 text takes: two for a wide character (CJK, emoji), none for one that combines
// with what stands before it, else one. A tab counts as one.
size_t display_width(std::string_view text);

// The text with control characters spelled out (\x1b, \u0085), so that it can't steer a terminal
// nor pretend to be another line; bytes that are not UTF-8 likewise.
std::string printable(std::string_view text);

// A line of source with `length` bytes underlined from byte `begin` on: two lines, the second with
// the caret, then `hint`. A line that is too wide is cut around the caret; tabs stay tabs in both.
std::string show_excerpt(std::string_view line, size_t begin, size_t length, std::string_view hint);

}  // namespace towpath
