#include "towpath/plugin/loader.h"

#include <dlfcn.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/stage/stage.h"

// The program's own, exported to libtowpath when the program links towpath_embed. Plugins have one
// each, but are loaded with RTLD_LOCAL, so this name never means theirs.
extern "C" __attribute__((weak)) const towpath::PluginHead* towpath_plugin();

namespace towpath {
namespace {

std::string list_kinds(const Plugin& plugin) {
  std::string list;
  for (const StageEntry* entry : plugin.entries()) {
    list += format("{}{}", list.empty() ? "" : ", ", entry->describe().kind());
  }
  return list.empty() ? "none" : list;
}

std::string canonical(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  if (error) throw Invalid(format("plugin {}: {}", path, error.message()));
  return real.string();
}

std::unique_ptr<Plugin> load(const std::string& path) {
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    const std::string why = ::dlerror();
    const bool symbol = why.find("undefined symbol") != why.npos;
    throw Invalid(format("plugin {} can't be loaded: {}\n  {}", path, why,
                         symbol ? "rebuild the plugin against this Towpath, with all its libraries"
                                : "install the library that is missing, or rebuild the plugin"));
  }
  void* symbol = ::dlsym(module, "towpath_plugin");
  if (symbol == nullptr) {
    throw Invalid(
        format("{} is not a plugin of Towpath: it exports no towpath_plugin\n"
               "  link plugin_head.cc into it, as stages/CMakeLists.txt does",
               path));
  }
  const auto head = reinterpret_cast<const PluginHead* (*)()>(symbol);
  return std::make_unique<Plugin>(path, head());
}

}  // namespace

Plugin::Plugin(std::string path, const PluginHead* head) : path_(std::move(path)) {
  if (head == nullptr) return;
  if (std::string_view(head->abi) != TOWPATH_ABI_TAG) {
    throw Invalid(
        format("plugin {} was built for another Towpath: its ABI is {}, this one's is {}\n"
               "  rebuild it: cmake --build <its build folder>",
               path_, head->abi, TOWPATH_ABI_TAG));
  }
  if (head->first != nullptr) entries_ = {head->first, head->last};
}

const Plugin& Plugin::open(const std::string& path) {
  // Never freed: a plugin's code may run until the very end of the process.
  static auto& loaded = *new std::map<std::string, std::unique_ptr<Plugin>>;
  static std::mutex mutex;
  const std::string real = canonical(path);
  check_trusted(real);
  const std::lock_guard guard(mutex);
  std::unique_ptr<Plugin>& plugin = loaded[real];
  if (plugin == nullptr) plugin = load(real);
  return *plugin;
}

const Plugin& Plugin::program() {
  static const Plugin plugin("", &towpath_plugin == nullptr ? nullptr : towpath_plugin());
  return plugin;
}

const StageEntry* Plugin::find(std::string_view kind) const {
  for (const StageEntry* entry : entries_) {
    if (entry->describe().kind() == kind) return entry;
  }
  return nullptr;
}

const StageEntry& find_entry(const std::string& plugin_path, std::string_view kind) {
  const Plugin& plugin = plugin_path.empty() ? Plugin::program() : Plugin::open(plugin_path);
  const StageEntry* entry = plugin.find(kind);
  if (entry == nullptr) {
    throw Invalid(format("{} has no stage \"{}\"; it has {}",
                         plugin_path.empty() ? "the program" : "plugin " + plugin_path, kind,
                         list_kinds(plugin)));
  }
  return *entry;
}

Schema detect_schema(const std::string& plugin_path, std::string_view kind,
                     const Settings& settings) {
  const StageEntry& entry = find_entry(plugin_path, kind);
  if (entry.detect == nullptr) throw Bug(format("stage \"{}\" has no detect()", kind));
  return entry.detect(settings);
}

}  // namespace towpath
