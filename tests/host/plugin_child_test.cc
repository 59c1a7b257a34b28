#include "towpath/host/plugin_child.h"

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "tests/plugin/plugin_folder.h"
#include "towpath/base/error.h"

using namespace towpath;

namespace {

// The plugin folders of this process, for one test.
class PluginPath {
 public:
  explicit PluginPath(const std::string& path) {
    const char* before = ::getenv("TOWPATH_PLUGIN_PATH");
    if (before != nullptr) before_ = before;
    ::setenv("TOWPATH_PLUGIN_PATH", path.c_str(), 1);
  }
  ~PluginPath() { ::setenv("TOWPATH_PLUGIN_PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

const PluginScan::Problem* problem_of(const PluginScan& scan, const std::string& plugin) {
  const auto found =
      std::find_if(scan.problems.begin(), scan.problems.end(),
                   [&](const PluginScan::Problem& problem) { return problem.plugin == plugin; });
  return found == scan.problems.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("Plugin child: a plugin that crashes at load is named and the others can be used") {
  PluginFolder folder;
  const std::string crash = folder.add("crash");
  folder.add("good");
  const PluginPath path(folder.path());
  const PluginScan scan = load_catalogue();
  const PluginScan::Problem* problem = problem_of(scan, crash);
  REQUIRE(problem != nullptr);
  CHECK_THAT(problem->message, Catch::Contains(crash) && Catch::Contains("SIGABRT"));
  CHECK(scan.catalogue.find("test.echo") != nullptr);
}

TEST_CASE("Plugin child: a plugin that lacks a library is named with what it lacks") {
  PluginFolder folder;
  const std::string plugin = folder.add("missing_symbol");
  const PluginPath path(folder.path());
  const PluginScan::Problem* problem = nullptr;
  const PluginScan scan = load_catalogue();
  problem = problem_of(scan, plugin);
  REQUIRE(problem != nullptr);
  CHECK_THAT(problem->message, Catch::Contains(plugin));
}

TEST_CASE("Plugin child: columns are detected in a child and what it throws comes out") {
  PluginFolder folder;
  folder.add("good");
  const PluginPath path(folder.path());
  const PluginScan scan = load_catalogue();
  const Catalogue::Entry* entry = scan.catalogue.find("test.detects");
  REQUIRE(entry != nullptr);
  const Settings::Context context;
  CHECK(detect_in_child(*entry, Settings(Object(Object::Map{{"column", "day"}}), context)) ==
        Schema{{"day", Type::kDate}});
  CHECK_THROWS_WITH(detect_in_child(*entry, Settings(Object(Object::Map{}), context)),
                    Catch::Contains("nothing to detect"));
}
