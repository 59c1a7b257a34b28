#include "towpath/plugin/scan.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/plugin/loader.h"
#include "towpath/plugin/sidecar.h"

namespace towpath {
namespace {

namespace fs = std::filesystem;

PluginSpecs specs_of(const Plugin& plugin) {
  PluginSpecs found{TOWPATH_ABI_TAG, {}};
  for (const StageEntry* entry : plugin.entries())
    found.specs.push_back(entry->describe().encode());
  return found;
}

fs::path real_path(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  return error ? path : real;
}

std::string own_folder() {
  std::error_code error;
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&plugin_folders), &info) != 0 &&
      info.dli_fname != nullptr) {
    const fs::path beside = real_path(info.dli_fname).parent_path() / "towpath" / "stages";
    if (fs::is_directory(beside, error)) return beside.string();
  }
  const fs::path program = real_path("/proc/self/exe").parent_path();
  return (program.parent_path() / "lib" / "towpath" / "stages").string();
}

std::vector<std::string> plugins_in(const std::string& folder) {
  std::vector<std::string> plugins;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".so" && entry.is_regular_file()) {
      plugins.push_back(fs::canonical(entry.path()).string());
    }
  }
  std::sort(plugins.begin(), plugins.end());
  return plugins;
}

PluginSpecs read_or_scan(const std::string& plugin, const ScanRunner& run_in_child) {
  check_trusted(plugin);
  const std::string key = build_key(plugin);
  if (std::optional<PluginSpecs> known = read_sidecar(plugin, key)) return *std::move(known);
  PluginSpecs found;
  try {
    found = from_bytes<PluginSpecs>(run_in_child(plugin));
    found.decode();
  } catch (const std::exception& error) {
    const std::string why = error.what();
    if (why.find(plugin) != why.npos) throw;
    throw Invalid(format("plugin {}: the process that scanned it failed: {}", plugin, why));
  }
  try {
    if (found.abi == TOWPATH_ABI_TAG) write_sidecar(plugin, key, found);
  } catch (const SystemError&) {
    // A folder that only root can write: the next run scans again.
  }
  return found;
}

void add_all(PluginScan& scan, const PluginSpecs& specs, const std::string& plugin) {
  if (specs.abi != TOWPATH_ABI_TAG) {
    throw Invalid(
        format("plugin {} was built for another Towpath: its ABI is {}, this one's is {}\n"
               "  rebuild it: cmake --build <its build folder>",
               plugin, specs.abi, TOWPATH_ABI_TAG));
  }
  for (StageSpec& spec : specs.decode()) {
    try {
      scan.catalogue.add(std::move(spec), plugin);
    } catch (const Invalid& error) {
      scan.problems.push_back({plugin, error.what()});
    }
  }
}

}  // namespace

std::string scan_plugin(const std::string& plugin) {
  return to_bytes(specs_of(Plugin::open(plugin)));
}

void write_specs(const std::string& plugin) {
  const std::string key = build_key(plugin);
  write_sidecar(plugin, key, specs_of(Plugin::open(plugin)));
}

std::vector<std::string> plugin_folders() {
  std::vector<std::string> folders;
  if (const char* named = std::getenv("TOWPATH_PLUGIN_PATH")) {
    std::string_view rest = named;
    while (!rest.empty()) {
      const std::string_view folder = rest.substr(0, rest.find(':'));
      rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
      if (!folder.empty()) folders.emplace_back(folder);
    }
  }
  folders.push_back(own_folder());
  return folders;
}

PluginScan scan_plugins(const std::vector<std::string>& folders, const ScanRunner& run_in_child) {
  PluginScan scan;
  add_all(scan, specs_of(Plugin::program()), "");
  std::set<std::string> seen;
  for (const std::string& folder : folders) {
    std::vector<std::string> plugins;
    try {
      plugins = plugins_in(folder);
    } catch (const fs::filesystem_error& error) {
      scan.problems.push_back(
          {folder, format("folder of plugins {}: {}", folder, error.code().message())});
    }
    for (const std::string& plugin : plugins) {
      if (!seen.insert(plugin).second) continue;
      try {
        add_all(scan, read_or_scan(plugin, run_in_child), plugin);
      } catch (const std::exception& error) {
        scan.problems.push_back({plugin, error.what()});
      }
    }
  }
  return scan;
}

}  // namespace towpath
