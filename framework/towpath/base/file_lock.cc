#include "towpath/base/file_lock.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

int operation(FileLock how) { return how == FileLock::kShared ? LOCK_SH : LOCK_EX; }

}  // namespace

void lock_file(const UniqueFd& fd, FileLock how, const std::string& path) {
  while (::flock(fd.get(), operation(how)) != 0) {
    if (errno != EINTR) throw_errno(format("flock({})", path));
  }
}

bool try_lock_file(const UniqueFd& fd, FileLock how, const std::string& path) {
  if (::flock(fd.get(), operation(how) | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK) throw_errno(format("flock({})", path));
  return false;
}

bool is_in_place(const UniqueFd& fd, const std::string& path) {
  struct stat here {};
  struct stat there {};
  return ::fstat(fd.get(), &here) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

}  // namespace towpath
