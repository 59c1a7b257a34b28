#include "towpath/base/shared_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr std::string_view kGone = ".gone-";

std::string alive_in(const std::string& folder) { return folder + "/.alive"; }

// Not open when the folder is not there.
UniqueFd open_alive(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd && errno != ENOENT) throw_errno(format("open({})", path));
  // Never one of the standard streams, which others write to.
  if (fd && fd.get() <= STDERR_FILENO) fd.reset(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  return fd;
}

enum class Wait { kNo, kYes };

bool remove(const std::string& path, Wait wait) {
  const std::string alive_path = alive_in(path);
  while (is_own_folder(path)) {
    const UniqueFd alive = open_alive(alive_path);
    if (!alive) break;
    if (wait == Wait::kYes) lock_file(alive, FileLock::kExclusive, alive_path);
    if (wait == Wait::kNo && !try_lock_file(alive, FileLock::kExclusive, alive_path)) return false;
    if (!is_in_place(alive, alive_path)) continue;
    // Moved first: who enters from now on makes a new one, which this removal can't touch.
    const std::filesystem::path folder(path);
    struct stat status {};
    ::fstat(alive.get(), &status);
    const std::string away =
        folder.parent_path() / format("{}{}-{}", kGone, folder.filename().string(), status.st_ino);
    if (::rename(path.c_str(), away.c_str()) != 0)
      throw_errno(format("rename({}, {})", path, away));
    std::error_code ignored;
    std::filesystem::remove_all(away, ignored);
    break;
  }
  return true;
}

}  // namespace

bool is_own_folder(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid();
}

bool is_private_folder(const std::string& path) {
  struct stat status {};
  return is_own_folder(path) && ::lstat(path.c_str(), &status) == 0 && (status.st_mode & 077) == 0;
}

SharedFolder SharedFolder::enter(const std::string& path) {
  const std::string alive_path = alive_in(path);
  for (;;) {
    const bool made = ::mkdir(path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) throw_errno(format("mkdir({}, 0700)", path));
    UniqueFd alive = open_alive(alive_path);
    if (!alive) continue;  // removed meanwhile
    lock_file(alive, FileLock::kShared, alive_path);
    if (!is_in_place(alive, alive_path)) continue;
    if (!is_private_folder(path))
      throw Invalid(format("{} is not a folder that belongs to this user alone", path));
    return {path, std::move(alive), made};
  }
}

bool SharedFolder::remove_if_unused(const std::string& path) { return remove(path, Wait::kNo); }

void SharedFolder::remove_when_unused(const std::string& path) { remove(path, Wait::kYes); }

bool SharedFolder::is_being_removed(std::string_view name) { return name.starts_with(kGone); }

void SharedFolder::sweep(const std::string& parent, char prefix) noexcept {
  try {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
      const std::string name = entry.path().filename();
      if (is_being_removed(name)) {
        std::filesystem::remove_all(entry.path(), ignored);
      } else if (name.front() == prefix) {
        try {
          remove_if_unused(entry.path());
        } catch (const Error&) {
          // It stays, and keeps no other.
        }
      }
    }
  } catch (const std::exception&) {
    // The next sweep tries again.
  }
}

}  // namespace towpath
