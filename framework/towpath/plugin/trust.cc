#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/plugin/loader.h"

namespace towpath {
namespace {

// Many systems give each user a group of the same name, and a umask that lets it write: that group
// is the user.
bool is_own_group(gid_t gid) {
  const passwd* user = ::getpwuid(::geteuid());
  if (user == nullptr || user->pw_gid != gid) return false;
  const std::string name = user->pw_name;
  const group* its = ::getgrgid(gid);
  return its != nullptr && name == its->gr_name && its->gr_mem[0] == nullptr;
}

void check_one(const std::string& path, std::string_view what) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw_errno(format("stat({})", path));
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    throw Invalid(
        format("{} {} belongs to user {}, so Towpath won't load it\n"
               "  it must belong to root or to you: chown it, or use a copy of your own",
               what, path, status.st_uid));
  }
  const bool group_writes = (status.st_mode & S_IWGRP) != 0 && !is_own_group(status.st_gid);
  if (group_writes || (status.st_mode & S_IWOTH) != 0) {
    throw Invalid(
        format("{} {} can be written by others, so Towpath won't load it\n  chmod go-w {}", what,
               path, path));
  }
}

}  // namespace

void check_trusted(const std::string& path) {
  check_one(path, "plugin");
  check_one(std::filesystem::path(path).parent_path().string(), "the plugin's folder");
}

}  // namespace towpath
