#include "towpath/base/way_out.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

using namespace towpath;

namespace {

// A soft limit of this process for a while.
class Limited {
 public:
  Limited(decltype(RLIMIT_AS) resource, rlim_t most) : resource_(resource) {
    REQUIRE(::getrlimit(resource, &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = most;
    REQUIRE(::setrlimit(resource, &limit) == 0);
  }
  Limited(const Limited&) = delete;
  ~Limited() { ::setrlimit(resource_, &before_); }

 private:
  const decltype(RLIMIT_AS) resource_;
  rlimit before_{};
};

}  // namespace

TEST_CASE("Way out: without descriptors an error tells the limit and how to raise it") {
  const Limited limited(RLIMIT_NOFILE, 40);
  std::vector<UniqueFd> all;
  int error = 0;
  while (error == 0) {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (fd) {
      all.push_back(std::move(fd));
    } else {
      error = errno;
    }
  }
  all.clear();  // a sanitizer's checks take some
  const std::string text = SystemError("open(/dev/null)", error).what();
  CHECK_THAT(text, Catch::StartsWith("open(/dev/null): Too many open files; ") &&
                       Catch::Contains("is 40 (ulimit -n): raise it"));
}

TEST_CASE("Way out: without memory an error tells of the limit of addresses where there is one") {
  CHECK_THAT(way_out("mmap(1 byte)", ENOMEM), Catch::Contains("vm.max_map_count"));
  const Limited limited(RLIMIT_AS, rlim_t{1} << 40);
  CHECK_THAT(way_out("mmap(1 byte)", ENOMEM),
             Catch::Contains("1073741824 KiB (ulimit -v)") && !Catch::Contains("vm.max_map_count"));
}

TEST_CASE("Way out: without processes, files or shared memory an error says what to raise") {
  CHECK_THAT(way_out("clone(a process)", EAGAIN), Catch::Contains("ulimit -u"));
  CHECK_THAT(way_out("fork", EAGAIN), Catch::Contains("pids.max"));
  CHECK(way_out("recv(socket)", EAGAIN).empty());
  CHECK_THAT(way_out("open(x)", ENFILE), Catch::Contains("fs.file-max"));
  CHECK_THAT(way_out("mkdir(/dev/shm/x)", ENOSPC),
             Catch::Contains("KiB free") && Catch::Contains("remount"));
  CHECK(way_out("write(data/a.csv)", ENOSPC).empty());
  CHECK(way_out("open(/proc/0/stat)", ENOENT).empty());  // /proc is there
  CHECK(way_out("open(data/a.csv)", EACCES).empty());
}
