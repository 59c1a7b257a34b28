#include "towpath/base/session.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>

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

Session Session::create_own() {
  static std::atomic<int> count{0};
  const std::string root = session_root();
  SharedFolder::sweep(root, 'p');
  while (true) {
    auto folder = std::make_shared<SharedFolder>(
        SharedFolder::enter(format("{}/p{}-{}", root, ::getpid(), ++count)));
    // One that was there is another container's, which has its own process of this number.
    if (!folder->made()) continue;
    Session session(folder->path());
    session.in_use_ = std::move(folder);
    return session;
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
