#pragma once
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

// The plugins that were built for these tests; see plugins/CMakeLists.txt.
inline std::string plugin_path(const std::string& name) {
  return std::filesystem::path(TOWPATH_TEST_PLUGINS) / (name + ".so");
}

// A folder for copies of plugins; removed with all in it.
class PluginFolder {
 public:
  PluginFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "towpath-plugins-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = std::filesystem::canonical(path).string();
    ::chmod(path_.c_str(), 0755);
  }
  PluginFolder(const PluginFolder&) = delete;
  ~PluginFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  // A copy of the plugin, under its own name or another.
  std::string add(const std::string& name, const std::string& as = "") const {
    const std::string to = path_ + "/" + (as.empty() ? name : as) + ".so";
    std::filesystem::copy_file(plugin_path(name), to,
                               std::filesystem::copy_options::overwrite_existing);
    ::chmod(to.c_str(), 0755);
    return to;
  }
  std::string add_text(const std::string& name, const std::string& text) const {
    const std::string to = path_ + "/" + name;
    std::ofstream(to) << text;
    ::chmod(to.c_str(), 0644);
    return to;
  }

 private:
  std::string path_;
};
