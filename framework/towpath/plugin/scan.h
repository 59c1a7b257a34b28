#pragma once
#include <functional>
#include <string>
#include <vector>

#include "towpath/stage/catalogue.h"

// Finds out which stages there are, without loading a plugin into this process: from the sidecars,
// and where one is stale by a child that loads the plugin. Starting that child is for the caller,
// who is above.

namespace towpath {

// Loads the plugin and returns its specs, encoded: what the child does. Throws as Plugin::open().
std::string scan_plugin(const std::string& plugin);

// Runs scan_plugin(plugin) in a child process and returns what it returned. Throws when the child
// threw or died.
using ScanRunner = std::function<std::string(const std::string& plugin)>;

struct PluginScan {
  struct Problem {
    std::string plugin;   // or folder
    std::string message;  // names it, too
  };
  Catalogue catalogue;
  std::vector<Problem> problems;  // of plugins that were left out; the others can be used
};

// The folders where plugins lie: those of TOWPATH_PLUGIN_PATH (separated by colons), then the one
// that came with Towpath: towpath/stages beside libtowpath.so, or ../lib/towpath/stages seen from
// the program's folder.
std::vector<std::string> plugin_folders();

// Every *.so of the folders, in order of folder and name, behind the program's own stages.
PluginScan scan_plugins(const std::vector<std::string>& folders, const ScanRunner& run_in_child);

// Scans the plugin in this process and writes its sidecar: for the build.
void write_specs(const std::string& plugin);

}  // namespace towpath
