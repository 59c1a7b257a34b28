#include "towpath/config/excerpt.h"

#include <algorithm>
#include <clocale>
#include <cstdint>
#include <cwchar>

#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr size_t kWidth = 100;  // columns of a source line that are shown
constexpr size_t kBefore = 30;  // of them, left of a caret that would else not be seen
constexpr size_t kMostUnderlined = 70;
constexpr std::string_view kEllipsis = "…";

// Columns of a character as glibc knows them from Unicode, whatever the program's locale.
size_t width_of(uint32_t code) {
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return 1;
  const locale_t before = ::uselocale(utf8);
  const int width = ::wcwidth(static_cast<wchar_t>(code));
  ::uselocale(before);
  return width < 0 ? 1 : static_cast<size_t>(width);
}

// One character: its bytes and its code point. A byte that is not UTF-8 is one of its own.
struct Character {
  std::string_view bytes;
  uint32_t code = 0;
  bool good = true;

  size_t width() const { return width_of(code); }
  bool is_control() const { return code < 0x20 || (code >= 0x7f && code < 0xa0); }
};

Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t size = lead < 0x80                   ? 1
                      : lead >= 0xc2 && lead < 0xe0 ? 2
                      : lead >= 0xe0 && lead < 0xf0 ? 3
                      : lead >= 0xf0 && lead < 0xf5 ? 4
                                                    : 0;
  if (size == 1) return {text.substr(0, 1), lead, true};
  Character character{text.substr(0, 1), lead, false};
  if (size == 0 || text.size() < size) return character;
  uint32_t code = lead & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return character;
    code = code << 6 | (next & 0x3fu);
  }
  return {text.substr(0, size), code, true};
}

std::string spelled(const Character& character) {
  if (!character.good || character.code < 0x80) return format("\\x{:02x}", character.code);
  return format("\\u{:04x}", character.code);
}

std::string shown(const Character& character, bool keep_tabs) {
  if (keep_tabs && character.code == '\t') return "\t";
  return character.good && !character.is_control() ? std::string(character.bytes)
                                                   : spelled(character);
}

// Passes characters from `text` for as long as they take at most `width` columns together.
size_t fitting(std::string_view text, size_t width) {
  size_t at = 0;
  for (size_t used = 0; at < text.size();) {
    const Character character = first_of(text.substr(at));
    used += display_width(shown(character, true));
    if (used > width) break;
    at += character.bytes.size();
  }
  return at;
}

std::string show_all(std::string_view text, bool keep_tabs) {
  std::string result;
  while (!text.empty()) {
    const Character character = first_of(text);
    result += shown(character, keep_tabs);
    text.remove_prefix(character.bytes.size());
  }
  return result;
}

}  // namespace

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Character character = first_of(text);
    width += character.width();
    text.remove_prefix(character.bytes.size());
  }
  return width;
}

std::string printable(std::string_view text) { return show_all(text, false); }

std::string show_excerpt(std::string_view line, size_t begin, size_t length,
                         std::string_view hint) {
  begin = std::min(begin, line.size());
  length = std::min(length, line.size() - begin);
  std::string_view before = line.substr(0, begin);
  std::string_view under = line.substr(begin, length);
  std::string_view after = line.substr(begin + length);
  bool cut_before = false, cut_under = false, cut_after = false;

  if (display_width(show_all(line, true)) > kWidth) {
    const size_t kept = fitting(under, kMostUnderlined);
    cut_under = kept < under.size();
    under = under.substr(0, kept);
    if (cut_under) after = {};
    const size_t room = kWidth - display_width(show_all(under, true));
    const size_t left = display_width(show_all(before, true));
    if (left > room) {
      const size_t right = display_width(show_all(after, true));
      const size_t kept_left = std::max(std::min(kBefore, room), room - std::min(room, right));
      before.remove_prefix(fitting(before, left - kept_left));
      cut_before = true;
    }
    const size_t rest = room - std::min(room, display_width(show_all(before, true)));
    const size_t more = fitting(after, rest);
    cut_after = more < after.size();
    after = after.substr(0, more);
  }

  std::string text, padding;
  if (cut_before) text = kEllipsis, padding = " ";
  const std::string leading = show_all(before, true);
  for (std::string_view rest = leading; !rest.empty();) {
    const Character character = first_of(rest);
    padding += character.code == '\t' ? std::string("\t") : std::string(character.width(), ' ');
    rest.remove_prefix(character.bytes.size());
  }
  const std::string middle = show_all(under, true);
  text += leading + middle;
  text += show_all(after, true);
  if (cut_under || cut_after) text += kEllipsis;
  const size_t width = std::max<size_t>(display_width(middle), 1);
  return format("{}\n{}^{}{}{}\n", text, padding, std::string(width - 1, '~'),
                hint.empty() ? "" : " ", hint);
}

}  // namespace towpath
