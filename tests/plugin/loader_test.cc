#include "towpath/plugin/loader.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/plugin/plugin_folder.h"
#include "towpath/base/error.h"
#include "towpath/stage/stage.h"

using namespace towpath;

namespace {

// A stage that the program itself defines.
class OfTheProgram final : public Stage {
 public:
  static StageSpec describe() { return StageSpec("test.of_the_program").keeps_input(); }
  explicit OfTheProgram(const Settings&) {}
  void process(const Batch&, Outputs&) override {}
};

Settings no_settings() { return Settings(Object(Object::Map{}), {}); }

}  // namespace

TOWPATH_STAGE(OfTheProgram)

TEST_CASE("Plugin: its stages are found by kind and can be made") {
  const StageEntry& entry = find_entry(plugin_path("good"), "test.echo");
  const StageSpec spec = entry.describe();
  CHECK(spec.summary() == "Gives back what it gets.");
  CHECK(spec.role() == Role::kStage);
  REQUIRE(entry.make_stage != nullptr);
  CHECK(entry.make_source == nullptr);
  CHECK(entry.make_stage(no_settings()) != nullptr);
  CHECK(find_entry(plugin_path("good"), "test.detects").make_source != nullptr);
}

TEST_CASE("Plugin: it is loaded once") {
  CHECK(&Plugin::open(plugin_path("good")) == &Plugin::open(plugin_path("good")));
  CHECK(&find_entry(plugin_path("good"), "test.echo") ==
        &find_entry(plugin_path("good"), "test.echo"));
}

TEST_CASE("Plugin: two plugins have tables of their own") {
  CHECK(Plugin::open(plugin_path("good")).entries().size() == 2);
  CHECK(Plugin::open(plugin_path("same_kind")).entries().size() == 1);
  CHECK(&find_entry(plugin_path("good"), "test.echo") !=
        &find_entry(plugin_path("same_kind"), "test.echo"));
}

TEST_CASE("Plugin: the stages of the program are found with an empty path") {
  CHECK(Plugin::program().entries().size() == 1);
  CHECK(find_entry("", "test.of_the_program").make_stage != nullptr);
  CHECK_THROWS_WITH(find_entry("", "test.echo"),
                    "the program has no stage \"test.echo\"; it has test.of_the_program");
}

TEST_CASE("Plugin: an unknown kind names those that it has") {
  CHECK_THROWS_WITH(find_entry(plugin_path("good"), "nope"),
                    Catch::Contains("good.so has no stage \"nope\"; it has ") &&
                        Catch::Contains("test.echo") && Catch::Contains("test.detects"));
}

TEST_CASE("Plugin: another ABI is refused and both are named") {
  CHECK_THROWS_AS(Plugin::open(plugin_path("bad_abi")), Invalid);
  CHECK_THROWS_WITH(Plugin::open(plugin_path("bad_abi")),
                    Catch::Contains("bad_abi.so was built for another Towpath") &&
                        Catch::Contains("towpath-stage-0/cxx-1/ancient") &&
                        Catch::Contains(TOWPATH_ABI_TAG) && Catch::Contains("rebuild it"));
}

TEST_CASE("Plugin: a library that is no plugin is refused") {
  CHECK_THROWS_WITH(Plugin::open(plugin_path("no_head")),
                    Catch::Contains("exports no towpath_plugin"));
}

TEST_CASE("Plugin: a missing symbol or library is named") {
  CHECK_THROWS_WITH(
      Plugin::open(plugin_path("missing_symbol")),
      Catch::Contains("towpath_test_nobody_has_this") && Catch::Contains("rebuild the plugin"));
  CHECK_THROWS_WITH(
      Plugin::open(plugin_path("missing_library")),
      Catch::Contains("libtowpath_test_gone.so") && Catch::Contains("install the library"));
}

TEST_CASE("Plugin: a missing file and one that is no library are refused") {
  CHECK_THROWS_WITH(Plugin::open(plugin_path("nowhere")), Catch::Contains("No such file"));
  const PluginFolder folder;
  CHECK_THROWS_WITH(Plugin::open(folder.add_text("text.so", "not a library")),
                    Catch::Contains("text.so can't be loaded"));
}

TEST_CASE("Plugin: one that others can change is refused") {
  const PluginFolder folder;
  const std::string plugin = folder.add("good");
  CHECK_NOTHROW(check_trusted(plugin));
  ::chmod(plugin.c_str(), 0646);
  CHECK_THROWS_WITH(Plugin::open(plugin),
                    Catch::Contains("plugin " + plugin + " can be written by others") &&
                        Catch::Contains("chmod go-w"));
  ::chmod(plugin.c_str(), 0644);
  ::chmod(folder.path().c_str(), 0777);
  CHECK_THROWS_WITH(Plugin::open(plugin), Catch::Contains("the plugin's folder " + folder.path()));
  ::chmod(folder.path().c_str(), 0755);
  CHECK_NOTHROW(Plugin::open(plugin));
}

TEST_CASE("Plugin: one that belongs to another user is refused") {
  const PluginFolder folder;
  const std::string plugin = folder.add("good");
  if (::chown(plugin.c_str(), 12345, 0) != 0) {
    WARN("only root can give a file away: not tested");
    return;
  }
  CHECK_THROWS_WITH(Plugin::open(plugin), Catch::Contains("belongs to user 12345"));
}

TEST_CASE("detect_schema: asks the stage, whose errors pass through") {
  Object values(Object::Map{});
  values.set("column", "day");
  const Settings settings(values, {});
  CHECK(detect_schema(plugin_path("good"), "test.detects", settings) ==
        Schema{{"day", Type::kDate}});
  CHECK_THROWS_WITH(detect_schema(plugin_path("good"), "test.detects", no_settings()),
                    "nothing to detect");
  CHECK_THROWS_AS(detect_schema(plugin_path("good"), "test.echo", settings), Bug);
}
