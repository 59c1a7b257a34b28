#include "stages/csv/header.h"

#include <string_view>
#include <unordered_set>

#include "towpath/base/format.h"

namespace csv {

int64_t pass_preface(towpath::TextWindow& window, int64_t skip) {
  towpath::pass_byte_order_mark(window);
  int64_t lines = 0;
  for (; lines < skip && !window.at_end(); ++lines) window.skip_line();
  return lines;
}

std::vector<std::string> numbered(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 1; i <= count; ++i) names.push_back(towpath::format("c{}", i));
  return names;
}

std::vector<std::string> names_of(std::span<const Cell> cells) {
  std::vector<std::string> names = numbered(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i].size > 0) names[i] = text_of(cells[i]);
  }
  return names;
}

const std::string* find_twice(const std::vector<std::string>& names) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) return &name;
  }
  return nullptr;
}

bool lines_end_in_cr(const Records& first, bool is_header) {
  return first.has_lone_cr() && (is_header || !first.ends_in_lf());
}

}  // namespace csv
