#pragma once
#include <algorithm>
#include <string>
#include <string_view>

// Letters of ASCII, whatever the locale; all other bytes stay as they are.

namespace towpath {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

// Whether two texts differ in the case of letters at most.
constexpr bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

}  // namespace towpath
