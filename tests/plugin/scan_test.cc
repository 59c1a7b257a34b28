#include "towpath/plugin/scan.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/plugin/plugin_folder.h"
#include "towpath/base/error.h"
#include "towpath/plugin/sidecar.h"

using namespace towpath;

namespace {

// As the program does it, but with a bare fork: scans in a child, and throws if that dies.
class Child {
 public:
  int runs = 0;

  std::string operator()(const std::string& plugin) {
    ++runs;
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw_errno("pipe");
    const pid_t pid = ::fork();
    if (pid == 0) run(plugin, ends[1]);
    ::close(ends[1]);
    std::string bytes;
    std::array<char, 4096> piece{};
    for (ssize_t got; (got = ::read(ends[0], piece.data(), piece.size())) > 0;) {
      bytes.append(piece.data(), static_cast<size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) throw Closed("killed by signal " + std::to_string(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0) throw Invalid(bytes);
    return bytes;
  }

 private:
  [[noreturn]] static void run(const std::string& plugin, int fd) {
    ::signal(SIGABRT, SIG_DFL);  // Catch2's handler would report the crash as the test's own
    std::string bytes;
    int code = 0;
    try {
      bytes = scan_plugin(plugin);
    } catch (const std::exception& error) {
      bytes = error.what();
      code = 1;
    }
    if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) code = 2;
    ::_exit(code);
  }
};

std::string never(const std::string& plugin) { throw Bug("nobody should scan " + plugin); }

}  // namespace

TEST_CASE("scan_plugins: a plugin without a sidecar is scanned in a child once") {
  const PluginFolder folder;
  const std::string plugin = folder.add("good");
  Child child;
  const PluginScan scan = scan_plugins({folder.path()}, std::ref(child));
  CHECK(scan.problems.empty());
  CHECK(child.runs == 1);
  const Catalogue::Entry* entry = scan.catalogue.find("test.echo");
  REQUIRE(entry != nullptr);
  CHECK(entry->plugin == plugin);
  CHECK(entry->spec.summary() == "Gives back what it gets.");
  CHECK(scan.catalogue.find("test.detects")->spec.role() == Role::kSource);

  const PluginScan again = scan_plugins({folder.path()}, never);
  CHECK(again.problems.empty());
  CHECK(again.catalogue.find("test.echo")->spec.encode() == entry->spec.encode());
}

TEST_CASE("scan_plugins: the program's own stages are there without a path") {
  const PluginScan scan = scan_plugins({}, never);
  CHECK(scan.catalogue.entries().size() == 1);
  CHECK(scan.catalogue.find("test.of_the_program")->plugin.empty());
}

TEST_CASE("scan_plugins: the sidecar that the build wrote is enough") {
  const PluginFolder folder;
  write_specs(folder.add("good"));
  CHECK(scan_plugins({folder.path()}, never).catalogue.find("test.echo") != nullptr);
}

TEST_CASE("scan_plugins: a sidecar of another build is not believed") {
  const PluginFolder folder;
  Child child;
  const std::string plugin = folder.add("good");
  CHECK(scan_plugins({folder.path()}, std::ref(child)).catalogue.find("test.detects") != nullptr);
  std::filesystem::remove(plugin);
  folder.add("same_kind", "good");
  const PluginScan scan = scan_plugins({folder.path()}, std::ref(child));
  CHECK(child.runs == 2);
  CHECK(scan.catalogue.find("test.detects") == nullptr);
  CHECK(scan.catalogue.find("test.echo") != nullptr);
}

TEST_CASE("scan_plugins: a damaged sidecar or one that others can write is not believed") {
  const PluginFolder folder;
  const std::string plugin = folder.add("good");
  write_specs(plugin);
  const std::string sidecar = sidecar_path(plugin);
  const auto size = std::filesystem::file_size(sidecar);
  for (const uintmax_t left : {uintmax_t{0}, uintmax_t{5}, size / 2, size - 1}) {
    std::filesystem::resize_file(sidecar, left);
    Child child;
    CHECK(scan_plugins({folder.path()}, std::ref(child)).problems.empty());
    CHECK(child.runs == 1);
    CHECK(std::filesystem::file_size(sidecar) == size);
  }
  ::chmod(sidecar.c_str(), 0666);
  Child child;
  scan_plugins({folder.path()}, std::ref(child));
  CHECK(child.runs == 1);
}

TEST_CASE("scan_plugins: a plugin that crashes is named and the others work") {
  const PluginFolder folder;
  const std::string crash = folder.add("crash");
  folder.add("good");
  Child child;
  const PluginScan scan = scan_plugins({folder.path()}, std::ref(child));
  CHECK(scan.catalogue.find("test.echo") != nullptr);
  REQUIRE(scan.problems.size() == 1);
  CHECK(scan.problems[0].plugin == crash);
  CHECK(scan.problems[0].message ==
        "plugin " + crash + ": the process that scanned it failed: killed by signal 6");
}

TEST_CASE("scan_plugins: every way of being bad is a problem that names the plugin") {
  const PluginFolder folder;
  folder.add("bad_abi");
  folder.add("missing_symbol");
  folder.add("no_head");
  folder.add_text("text.so", "not a library");
  ::chmod(folder.add("good").c_str(), 0777);
  Child child;
  const PluginScan scan = scan_plugins({folder.path()}, std::ref(child));
  CHECK(scan.catalogue.find("test.echo") == nullptr);
  REQUIRE(scan.problems.size() == 5);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"bad_abi", "was built for another Towpath"},
      {"good", "can be written by others"},
      {"missing_symbol", "towpath_test_nobody_has_this"},
      {"no_head", "is not a plugin of Towpath"},
      {"text", "is not a shared object"}};
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK_THAT(scan.problems[i].message,
               Catch::Contains(folder.path() + "/" + expected[i].first + ".so") &&
                   Catch::Contains(expected[i].second));
  }
}

TEST_CASE("scan_plugins: what a child says is not trusted") {
  const PluginFolder folder;
  folder.add("good");
  for (const char* answer : {"", "nonsense", "\x92\xa1x\x91\xa3zzz"}) {
    const PluginScan scan =
        scan_plugins({folder.path()}, [answer](const std::string&) { return answer; });
    CHECK(scan.problems.size() == 1);
    CHECK(scan.catalogue.find("test.echo") == nullptr);
    std::filesystem::remove(folder.path() + "/good.spec");
  }
}

TEST_CASE("scan_plugins: a kind in two plugins is a problem and the first one wins") {
  const PluginFolder first, second;
  const std::string good = first.add("good");
  const std::string same = second.add("same_kind");
  Child child;
  const PluginScan scan = scan_plugins({first.path(), second.path()}, std::ref(child));
  CHECK(scan.catalogue.find("test.echo")->plugin == good);
  REQUIRE(scan.problems.size() == 1);
  CHECK_THAT(scan.problems[0].message, Catch::Contains(good) && Catch::Contains(same));
}

TEST_CASE("scan_plugins: a folder that is not there is a problem and one named twice is not") {
  const PluginFolder folder;
  folder.add("good");
  Child child;
  const PluginScan scan =
      scan_plugins({folder.path(), folder.path(), folder.path() + "/nowhere"}, std::ref(child));
  REQUIRE(scan.problems.size() == 1);
  CHECK_THAT(scan.problems[0].message, Catch::Contains("/nowhere: No such file"));
  CHECK(child.runs == 1);
}

TEST_CASE("plugin_folders: TOWPATH_PLUGIN_PATH comes before Towpath's own") {
  ::setenv("TOWPATH_PLUGIN_PATH", "/a::/b/c", 1);
  const std::vector<std::string> folders = plugin_folders();
  ::unsetenv("TOWPATH_PLUGIN_PATH");
  REQUIRE(folders.size() == 3);
  CHECK(folders[0] == "/a");
  CHECK(folders[1] == "/b/c");
  CHECK(folders[2].ends_with("/lib/towpath/stages"));
  CHECK(plugin_folders().size() == 1);
}

TEST_CASE("build_key: names the build and not the file") {
  const PluginFolder folder;
  const std::string key = build_key(folder.add("good", "copy"));
  CHECK(key.starts_with("build-id "));
  CHECK(key == build_key(plugin_path("good")));
  CHECK(key != build_key(plugin_path("same_kind")));
}
