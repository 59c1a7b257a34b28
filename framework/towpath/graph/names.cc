#include "towpath/graph/names.h"

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

constexpr std::string_view kNameBytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

}  // namespace

std::string suggest_name(std::string_view word, const std::vector<std::string>& names,
                         std::string otherwise) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string_view near = nearest(word, known.data(), known.data() + known.size());
  return near.empty() ? otherwise : format("did you mean \"{}\"?", near);
}

std::string list_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void check_name(Document& document, const Node& at, std::string_view name, std::string_view what) {
  if (!name.empty() && name.find_first_not_of(kNameBytes) == name.npos) return;
  document.add(at, format("\"{}\" can't be the name of {}", name, what),
               "use letters, digits, _ and -");
}

std::string make_name(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    if (kNameBytes.find(c) == kNameBytes.npos) c = '_';
  }
  return name;
}

}  // namespace towpath
