#include "towpath/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "towpath/base/unique_fd.h"

using namespace towpath;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/towpath-run-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

TEST_CASE("RunFolder: a run has a folder of its own that only its user can enter") {
  const TempDir base;
  const RunFolder folder = RunFolder::create(base.path + "/runs", "sales");
  struct stat info {};
  REQUIRE(::stat(folder.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  CHECK(folder.id().ends_with("-sales"));
}

TEST_CASE("RunFolder: two runs of the same second get two folders") {
  const TempDir base;
  const RunFolder one = RunFolder::create(base.path, "sales");
  const RunFolder two = RunFolder::create(base.path, "sales");
  CHECK(one.path() != two.path());
}

TEST_CASE("RunFolder: the lock is held as long as the run lives") {
  const TempDir base;
  std::string lock;
  {
    const RunFolder folder = RunFolder::create(base.path, "sales");
    lock = folder.file("run.lock");
    const UniqueFd other(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
    CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) != 0);
  }
  const UniqueFd other(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
  CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
}

TEST_CASE("RunFolder: a base that can't be made is an error that names it") {
  CHECK_THROWS_WITH(RunFolder::create("/proc/nowhere", "sales"), Catch::Contains("/proc/nowhere"));
}

TEST_CASE("RunFolder: a base that can't be made says why") {
  const TempDir base;
  const std::string file = base.path + "/file";
  const UniqueFd made(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  CHECK_THROWS_WITH(RunFolder::create(file + "/runs", "sales"),
                    Catch::Contains(file + "/runs") && Catch::Contains("Not a directory") &&
                        Catch::Contains("--run-dir"));
}
