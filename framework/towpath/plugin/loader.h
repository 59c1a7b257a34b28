#pragma once
#include <span>
#include <string>
#include <string_view>

#include "towpath/stage/registration.h"

namespace towpath {

// A module with stages: a plugin that was loaded, or the running program.
//
// Loading    runs code of the plugin; only workers and the children that scan or detect do it. A
//            plugin stays loaded until the process ends, so what it hands out never dangles.
// Trust      the file and its folder must belong to root or the user, and others can't write them.
// Errors     Invalid, naming the plugin and what to do: not a plugin, an ABI of another build, a
//            library or symbol that is missing, a file that others can change.
// Threads    any.
class Plugin {
 public:
  static const Plugin& open(const std::string& path);  // loads it once
  // The stages that the program itself defines: none unless it links towpath_embed.
  static const Plugin& program();

  const std::string& path() const { return path_; }  // empty: the program
  std::span<const StageEntry* const> entries() const { return entries_; }
  const StageEntry* find(std::string_view kind) const;  // null: it has no such kind

  Plugin(std::string path, const PluginHead* head);  // Invalid: the ABI differs

 private:
  std::string path_;
  std::span<const StageEntry* const> entries_;
};

// The stage of that kind in a plugin; with an empty path in the running program. Invalid: there is
// none.
const StageEntry& find_entry(const std::string& plugin_path, std::string_view kind);

// The columns that a stage of this kind detects. Runs code of the plugin: call it in a child.
Schema detect_schema(const std::string& plugin_path, std::string_view kind,
                     const Settings& settings);

// Throws Invalid unless the file and its folder belong to root or the user and others can't write
// them.
void check_trusted(const std::string& path);

}  // namespace towpath
