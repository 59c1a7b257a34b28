#include "towpath/stage/catalogue.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

std::string_view shown(const std::string& plugin) {
  return plugin.empty() ? std::string_view("the program itself") : plugin;
}

}  // namespace

void Catalogue::add(StageSpec spec, std::string plugin) {
  const std::string kind = spec.kind();
  const auto found = entries_.find(kind);
  if (found != entries_.end()) {
    throw Invalid(
        format("stage kind \"{}\" is in {} and in {}: remove one of them, or rename its kind", kind,
               shown(found->second.plugin), shown(plugin)));
  }
  entries_.emplace(kind, Entry{std::move(spec), std::move(plugin)});
}

const Catalogue::Entry* Catalogue::find(std::string_view kind) const {
  const auto found = entries_.find(kind);
  return found == entries_.end() ? nullptr : &found->second;
}

std::string_view Catalogue::nearest_kind(std::string_view word) const {
  std::vector<std::string_view> kinds;
  for (const auto& [kind, entry] : entries_) kinds.push_back(kind);
  const std::string_view near = nearest(word, kinds.data(), kinds.data() + kinds.size());
  if (!near.empty()) return near;
  // "words" for "text.words": the family is easily forgotten.
  for (const std::string_view kind : kinds) {
    if (kind.size() > word.size() && kind.ends_with(word) &&
        kind[kind.size() - word.size() - 1] == '.') {
      return kind;
    }
  }
  return {};
}

}  // namespace towpath
