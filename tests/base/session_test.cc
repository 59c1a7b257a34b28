#include "towpath/base/session.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/process_hooks.h"
#include "towpath/base/program_session.h"

using namespace towpath;

namespace {

// XDG_RUNTIME_DIR is a folder of the test's own while it lives.
class RuntimeFolder {
 public:
  RuntimeFolder() {
    if (const char* value = std::getenv("XDG_RUNTIME_DIR")) before_ = value;
    char name[] = "/tmp/towpath-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw_errno("mkdtemp");
    path_ = name;
    ::setenv("XDG_RUNTIME_DIR", name, 1);
  }
  ~RuntimeFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    if (before_) {
      ::setenv("XDG_RUNTIME_DIR", before_->c_str(), 1);
    } else {
      ::unsetenv("XDG_RUNTIME_DIR");
    }
  }
  const std::string& path() const { return path_; }
  std::string root() const { return path_ + "/towpath-" + std::to_string(::geteuid()); }

 private:
  std::optional<std::string> before_;
  std::string path_;
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  ::lstat(path.c_str(), &status);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("Session: its folder is new and for this user alone") {
  const RuntimeFolder runtime;
  const Session session = Session::create("20240229-ab");
  CHECK(session.folder() == runtime.root() + "/20240229-ab");
  CHECK(mode_of(runtime.root()) == 0700);
  CHECK(mode_of(session.folder()) == 0700);
  CHECK(session.address("c") == "ipc://" + session.folder() + "/c");
  CHECK(Session(session.folder()).address("c") == session.address("c"));
  CHECK_THROWS_WITH(Session::create("20240229-ab"), Catch::Contains("used once"));
}

TEST_CASE("Session: ids that are no names are Invalid") {
  const RuntimeFolder runtime;
  for (const char* id : {"", ".", "..", "a/b", "a b", "ä"}) {
    CHECK_THROWS_AS(Session::create(id), Invalid);
  }
}

TEST_CASE("Session: a root that others can enter or that is a link is refused") {
  const RuntimeFolder runtime;
  std::filesystem::create_directory(runtime.root());
  ::chmod(runtime.root().c_str(), 0755);
  CHECK_THROWS_AS(Session::create("a"), Invalid);
  std::filesystem::remove(runtime.root());
  std::filesystem::create_directory(runtime.path() + "/other");
  ::chmod((runtime.path() + "/other").c_str(), 0700);
  std::filesystem::create_directory_symlink(runtime.path() + "/other", runtime.root());
  CHECK_THROWS_AS(Session::create("a"), Invalid);
}

TEST_CASE("Session: a runtime folder too long for sockets is passed over") {
  const RuntimeFolder runtime;
  const std::string deep = runtime.path() + "/" + std::string(60, 'x');
  std::filesystem::create_directory(deep);
  ::setenv("XDG_RUNTIME_DIR", deep.c_str(), 1);
  CHECK(session_root() == "/tmp/towpath-" + std::to_string(::geteuid()));
  CHECK_THROWS_WITH(Session("/tmp/x").address(std::string(110, 'y')), Catch::Contains("107 bytes"));
}

TEST_CASE("Session: what a dead process left is swept when the next one begins") {
  const RuntimeFolder runtime;
  // Of a process with our own id, as in a container that was started again.
  const Session left = Session::create("p" + std::to_string(::getpid()) + "-7001");
  const Session other = Session::create("20240229-ab");
  const Session own = Session::create_own();
  CHECK_FALSE(std::filesystem::exists(left.folder()));
  CHECK(std::filesystem::exists(other.folder()));
  CHECK(mode_of(own.folder()) == 0700);
  const Session second = Session::create_own();
  CHECK(std::filesystem::exists(own.folder()));
  CHECK(second.folder() != own.folder());
}

TEST_CASE("Program session: one that nobody would keep is made anew by the next who asks") {
  const pid_t child = ::fork();  // for hooks and a session of its own
  REQUIRE(child >= 0);
  if (child == 0) {
    static int asked = 0;
    ProcessHooks hooks;
    hooks.keep_folder = [](const std::string&) {
      if (++asked == 1) throw Error("no more processes");
    };
    set_process_hooks(hooks);
    int code = 1;
    try {
      program_session();
    } catch (const Error&) {
      const std::string folder = program_session().folder();
      code = asked == 2 ? 0 : 2;
      std::error_code ignored;
      std::filesystem::remove_all(folder, ignored);
    }
    ::_exit(code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
