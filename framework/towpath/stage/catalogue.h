#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/stage/stage_spec.h"

namespace towpath {

// The kinds of stages there are, as data, with the plugin that holds each.
class Catalogue {
 public:
  struct Entry {
    StageSpec spec;
    std::string plugin;  // path of the .so; empty: the running program itself
  };
  void add(StageSpec spec, std::string plugin);  // Invalid: that kind exists, naming both plugins
  const Entry* find(std::string_view kind) const;
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  std::string_view nearest_kind(std::string_view word) const;  // empty: none is near

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace towpath
