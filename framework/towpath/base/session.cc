#include "towpath/base/session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/shared_folder.h"

namespace towpath {
namespace {

// A socket's path may have so many bytes; the id and the socket's name need some of them.
constexpr size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr size_t kRoomForNames = 48;

std::string base_folder() {
  // A runtime folder of somebody else (as su leaves behind), or one too long for sockets, is of no
  // use.
  const char* named = std::getenv("XDG_RUNTIME_DIR");
  if (named == nullptr || named[0] != '/') return "/tmp";
  const std::string folder = named;
  return is_own_folder(folder) && folder.size() + kRoomForNames < kMaxPath ? folder : "/tmp";
}

}  // namespace

std::string session_root() {
  const std::string root = format("{}/towpath-{}", base_folder(), ::geteuid());
  if (::mkdir(root.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno(format("mkdir({}, 0700)", root));
  if (!is_private_folder(root)) {
    throw Invalid(format(
        "{} is not a folder that belongs to this user alone: remove it, or set XDG_RUNTIME_DIR",
        root));
  }
  return root;
}

namespace {

// The lock of a folder; none: another has it, or the folder is gone.
UniqueFd lock_folder(const std::string& folder, int how) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), how | LOCK_NB) != 0) return {};
  struct stat locked {
  }, named{};
  const bool same = ::fstat(fd.get(), &locked) == 0 && ::lstat(folder.c_str(), &named) == 0 &&
                    locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
  return same ? std::move(fd) : UniqueFd();
}

// Process ids say nothing here: a container's first process is always 1, and may share /tmp.
void sweep_sessions() {
  std::error_code ignored;  // what can't be removed now is swept another time
  for (const auto& entry : std::filesystem::directory_iterator(session_root(), ignored)) {
    const std::string name = entry.path().filename();
    if (SharedFolder::is_being_removed(name)) std::filesystem::remove_all(entry.path(), ignored);
    if (!name.starts_with('p')) continue;
    if (lock_folder(entry.path(), LOCK_EX)) std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

Session Session::create_own() {
  sweep_sessions();
  while (true) {
    std::string folder = format("{}/p{}-XXXXXX", session_root(), ::getpid());
    if (::mkdtemp(folder.data()) == nullptr) throw_errno(format("mkdtemp({})", folder));
    // Before it had its lock, another's sweep may have taken it for a stray.
    if (UniqueFd lock = lock_folder(folder, LOCK_SH)) {
      Session session(std::move(folder));
      session.lock_ = std::make_shared<UniqueFd>(std::move(lock));
      return session;
    }
  }
}

Session Session::create(std::string_view id) {
  const bool is_name = !id.empty() && id.front() != '.' && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!is_name)
    throw Invalid(format("\"{}\" is not a session's id: letters, digits, '-', '_', '.'", id));
  std::string folder = format("{}/{}", session_root(), id);
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) throw Invalid(format("{} exists: a session's id is used once", folder));
    throw_errno(format("mkdir({}, 0700)", folder));
  }
  return Session(std::move(folder));
}

std::string Session::address(std::string_view name) const {
  const std::string path = format("{}/{}", folder_, name);
  if (path.size() > kMaxPath) {
    throw Invalid(
        format("the socket path {} has more than {} bytes: set XDG_RUNTIME_DIR to a shorter folder",
               path, kMaxPath));
  }
  return "ipc://" + path;
}

}  // namespace towpath
