#include "towpath/config/document.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"
#include "towpath/config/excerpt.h"

namespace towpath {
namespace {

constexpr std::string_view kBlanks = " \t\n\r";
bool is_blank(char c) { return kBlanks.find(c) != kBlanks.npos; }

// Bytes of the UTF-8 form of a code point that a \x, \u or \U escape names.
size_t utf8_size(unsigned long code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

// A reader of the source that steps through a scalar's written form.
struct Cursor {
  std::string_view source;
  size_t at = 0;

  bool at_end() const { return at >= source.size(); }
  char peek() const { return at_end() ? '\0' : source[at]; }

  // Passes one escape of a double-quoted scalar; returns the bytes of text it stands for.
  size_t pass_escape() {
    ++at;
    const char kind = peek();
    ++at;
    const size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (digits == 0) return kind == 'N' || kind == '_' ? 2 : kind == 'L' || kind == 'P' ? 3 : 1;
    unsigned long code = 0;
    for (size_t i = 0; i < digits && !at_end(); ++i) {
      const char c = source[at++];
      code = code * 16 + static_cast<unsigned long>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return utf8_size(code);
  }
};

// Byte offset in `source` of byte `offset` of the text of the scalar that begins at `begin`. Any
// white space of the text may stand for any white space of the source (line folding, indentation).
size_t offset_in_source(std::string_view source, size_t begin, std::string_view text,
                        size_t offset) {
  Cursor cursor{source, begin};
  const char style = cursor.peek();
  if (style == '\'' || style == '"') ++cursor.at;
  if (style == '|' || style == '>') {
    while (!cursor.at_end() && cursor.peek() != '\n') ++cursor.at;
    while (is_blank(cursor.peek())) ++cursor.at;
    while (offset > 0 && !text.empty() && is_blank(text.front())) text.remove_prefix(1), --offset;
  }
  auto blank_text = [text](size_t at) { return at < text.size() && is_blank(text[at]); };
  for (size_t done = 0; done < offset && !cursor.at_end();) {
    if (style == '"' && cursor.peek() == '\\') {
      if (const size_t next = cursor.at + 1; next < source.size() && is_blank(source[next])) {
        cursor.at = next;  // an escaped line end stands for nothing
        while (is_blank(cursor.peek())) ++cursor.at;
      } else {
        done += cursor.pass_escape();
      }
    } else if (is_blank(cursor.peek()) && !blank_text(done)) {
      ++cursor.at;
    } else if (blank_text(done) && !is_blank(cursor.peek())) {
      ++done;
    } else {
      if (style == '\'' && cursor.peek() == '\'') ++cursor.at;
      ++cursor.at;
      ++done;
    }
  }
  while (offset < text.size() && !blank_text(offset) && is_blank(cursor.peek())) ++cursor.at;
  return cursor.at;
}

// A message, of one line or several: those behind the first are indented, so that no text in them
// looks like an error of its own.
std::string printable_lines(std::string_view text) {
  std::string shown;
  for (;;) {
    const size_t newline = text.find('\n');
    shown += printable(text.substr(0, newline));
    if (newline == text.npos) return shown;
    shown += "\n    ";
    text.remove_prefix(newline + 1);
  }
}

}  // namespace

Node::Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name.text == key) return &value;
  }
  return nullptr;
}

const Node* Node::find_key(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name.text == key) return &name;
  }
  return nullptr;
}

bool Node::any_unresolved() const {
  return unresolved || std::ranges::any_of(items, &Node::any_unresolved) ||
         std::ranges::any_of(entries,
                             [](const auto& entry) { return entry.second.any_unresolved(); });
}

Document Document::load(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw_errno(format("open({})", path));
  std::string text;
  char buffer[16 << 10];
  while (text.size() <= kMaxConfigBytes) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(format("read({})", path));
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return parse(path, std::move(text));
}

std::string_view Document::line(int number) const {
  if (number < 1 || static_cast<size_t>(number) > lines_.size()) return {};
  const size_t begin = lines_[static_cast<size_t>(number) - 1];
  std::string_view line = std::string_view(text_).substr(begin);
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Mark Document::place(const Node& scalar, size_t offset) const {
  const auto row = static_cast<size_t>(scalar.mark.line);
  if (row < 1 || row > lines_.size()) return scalar.mark;
  const size_t begin = lines_[row - 1] + static_cast<size_t>(scalar.mark.column - 1);
  const size_t found = offset_in_source(text_, begin, scalar.text, offset);
  const auto next = std::upper_bound(lines_.begin(), lines_.end(), found);
  const auto number =
      next - lines_.begin();  // lines_[0] is 0, so there is one at or before `found`
  return {static_cast<int>(number), static_cast<int>(found - *(next - 1)) + 1};
}

void Document::add_within(const Node& scalar, size_t offset, size_t length, std::string message,
                          std::string hint) {
  if (scalar.substituted || scalar.kind != Node::Kind::kScalar) {
    add(scalar, std::move(message), std::move(hint));
    return;
  }
  offset = std::min(offset, scalar.text.size());
  length = std::min(length, scalar.text.size() - offset);
  const Mark begin = place(scalar, offset);
  const Mark end = place(scalar, offset + length);
  int shown = begin.line == end.line ? end.column - begin.column
                                     : static_cast<int>(line(begin.line).size()) - begin.column + 1;
  if (shown < 1) shown = 1;
  problems_.push_back({begin, shown, std::move(message), std::move(hint)});
}

std::string Document::show_problems() const {
  std::vector<const Problem*> sorted;
  for (const Problem& problem : problems_) sorted.push_back(&problem);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem* a, const Problem* b) {
    return std::pair(a->mark.line, a->mark.column) < std::pair(b->mark.line, b->mark.column);
  });
  std::string shown;
  const Problem* last = nullptr;
  for (const Problem* problem : sorted) {
    const auto [row, column] = problem->mark;
    if (last != nullptr && last->mark.line == row && last->mark.column == column &&
        last->message == problem->message) {
      continue;
    }
    last = problem;
    const std::string message = printable_lines(problem->message);
    const std::string hint = printable_lines(problem->hint);
    if (row < 1) {
      shown += format("{}: error: {}\n", printable(path_), message);
      if (!hint.empty()) shown += format("    {}\n", hint);
      continue;
    }
    shown += format("{}:{}:{}: error: {}\n", printable(path_), row, column, message);
    shown += show_excerpt(line(row), static_cast<size_t>(std::max(column - 1, 0)),
                          static_cast<size_t>(std::max(problem->length, 1)), hint);
  }
  return shown;
}

}  // namespace towpath
