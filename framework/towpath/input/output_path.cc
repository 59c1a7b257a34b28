#include "towpath/input/output_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as the kernel's own bound

// The nearest folder above that is there; a path that is no folder is returned as it is.
std::string nearest_above(const std::string& path) {
  fs::path folder = fs::path(path).parent_path();
  struct stat status {};
  while (!folder.empty() && ::stat(folder.c_str(), &status) != 0 && errno == ENOENT) {
    folder = folder.parent_path();
  }
  return folder.empty() ? "." : folder.string();
}

}  // namespace

std::string follow_links(const std::string& path) {
  if (path.find('\0') != path.npos) throw Invalid("a path can't hold a NUL byte");
  fs::path at = path;
  std::error_code error;
  for (int links = 0; fs::is_symlink(fs::symlink_status(at, error)); ++links) {
    const fs::path target = fs::read_symlink(at, error);
    if (error) throw SystemError(format("readlink({})", at.string()), error.value());
    if (links == kMostLinks) throw Invalid(format("{} is a link that leads in a circle", path));
    at = target.is_absolute() ? target : at.parent_path() / target;
  }
  return at.string();
}

std::string real_path(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(follow_links(path), error);
  const fs::path real = fs::weakly_canonical(absolute, error);
  return (error ? absolute.lexically_normal() : real).string();
}

void check_output_path(const std::string& path) {
  const std::string file = follow_links(path);
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw Invalid(format("{} is a folder; name a file in it", path));
    if (!S_ISREG(status.st_mode)) throw Invalid(format("{} is not a regular file", path));
  }
  if (file.empty() || file.back() == '/') throw Invalid(format("{} names no file", path));
  const std::string folder = nearest_above(file);
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    throw Invalid(format("{} can't be written: {} is not a folder", path, folder));
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    throw SystemError(format("{} can't be written: access({})", path, folder), errno);
  }
}

}  // namespace towpath
