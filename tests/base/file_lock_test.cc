#include "towpath/base/file_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "towpath/base/error.h"

using namespace towpath;

namespace {

class LockedFile {
 public:
  LockedFile() {
    char name[] = "/tmp/towpath-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw_errno("mkdtemp");
    folder_ = name;
    path = folder_ + "/file";
  }
  ~LockedFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  UniqueFd open() const {
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }

  std::string path;

 private:
  std::string folder_;
};

}  // namespace

TEST_CASE("FileLock: many share it or one has it alone") {
  const LockedFile file;
  const UniqueFd one = file.open();
  const UniqueFd two = file.open();
  lock_file(one, FileLock::kShared, file.path);
  CHECK(try_lock_file(two, FileLock::kShared, file.path));
  CHECK_FALSE(try_lock_file(file.open(), FileLock::kExclusive, file.path));
}

TEST_CASE("FileLock: it is free when the last copy of its descriptor is closed") {
  const LockedFile file;
  UniqueFd one = file.open();
  lock_file(one, FileLock::kExclusive, file.path);
  UniqueFd copy(::dup(one.get()));
  one.reset();
  CHECK_FALSE(try_lock_file(file.open(), FileLock::kShared, file.path));
  copy.reset();
  CHECK(try_lock_file(file.open(), FileLock::kExclusive, file.path));
}

TEST_CASE("FileLock: an error names the path") {
  CHECK_THROWS_WITH(lock_file(UniqueFd(), FileLock::kShared, "x"), Catch::Contains("flock(x)"));
  CHECK_THROWS_WITH(try_lock_file(UniqueFd(), FileLock::kShared, "x"), Catch::Contains("flock(x)"));
}

TEST_CASE("is_in_place: a file that was removed or replaced or linked to is not") {
  const LockedFile file;
  const UniqueFd fd = file.open();
  CHECK(is_in_place(fd, file.path));
  std::filesystem::rename(file.path, file.path + ".old");
  CHECK_FALSE(is_in_place(fd, file.path));
  std::filesystem::create_symlink(file.path + ".old", file.path);
  CHECK_FALSE(is_in_place(fd, file.path));
  std::filesystem::remove(file.path);
  const UniqueFd other = file.open();
  CHECK_FALSE(is_in_place(fd, file.path));
  CHECK(is_in_place(other, file.path));
}
