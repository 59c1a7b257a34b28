#include "towpath/channel/local_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr std::string_view kIpc = "ipc://";

sockaddr_un name_of(const std::string& address) {
  const std::string path = socket_path(address);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

UniqueFd new_socket(int type) {
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("socket(AF_UNIX)");
  return socket;
}

// Held while somebody looks who listens at a path and, where nobody does, begins to: of two that
// found a dead one's socket the second would remove the first one's. A file beside the path, which
// goes with the lock.
class PathLock {
 public:
  explicit PathLock(const std::string& path) : path_(path + ".lock") {
    do {
      fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
      if (!fd_) throw_errno(format("open({})", path_));
      lock_file(fd_, FileLock::kExclusive, path_);
    } while (!is_in_place(fd_, path_));  // its holder has removed it meanwhile
  }
  PathLock(const PathLock&) = delete;
  ~PathLock() { ::unlink(path_.c_str()); }

 private:
  const std::string path_;
  UniqueFd fd_;
};

}  // namespace

void check_address(std::string_view address) {
  if (!address.starts_with(kIpc) || address.size() == kIpc.size()) {
    throw Invalid(format("\"{}\" is not an address: it has the form ipc:///folder/name", address));
  }
  constexpr size_t kRoom = sizeof(sockaddr_un::sun_path) - 1;
  if (address.size() - kIpc.size() > kRoom) {
    throw Invalid(
        format("the path of {} has more than {} bytes: use a shorter folder", address, kRoom));
  }
}

std::string socket_path(std::string_view address) {
  check_address(address);
  return std::string(address.substr(kIpc.size()));
}

UniqueFd listen_locally(const std::string& address, int type) {
  const sockaddr_un name = name_of(address);
  const auto* to = reinterpret_cast<const sockaddr*>(&name);
  const PathLock alone(name.sun_path);
  const UniqueFd probe = new_socket(type | SOCK_NONBLOCK);
  if (::connect(probe.get(), to, sizeof name) == 0 || errno == EAGAIN || errno == EPROTOTYPE) {
    throw Invalid(format("another process listens at {}", address));
  }
  if (errno == ECONNREFUSED) ::unlink(name.sun_path);  // left by one that died
  UniqueFd listening = new_socket(type | SOCK_NONBLOCK);
  // Its folder may be open to others. Nobody gets in before it listens.
  if (::bind(listening.get(), to, sizeof name) != 0 || ::chmod(name.sun_path, 0600) != 0 ||
      ::listen(listening.get(), SOMAXCONN) != 0) {
    throw_errno(format("bind, chmod, listen({})", address));
  }
  return listening;
}

UniqueFd connect_locally(const std::string& address, int type, Millis timeout) {
  const sockaddr_un name = name_of(address);
  UniqueFd socket = new_socket(type);
  if (timeout != kForever) {
    const int64_t millis = std::max<int64_t>(timeout.count(), 1);
    const timeval limit{millis / 1000, millis % 1000 * 1000};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
      throw_errno("setsockopt(SO_SNDTIMEO)");
    }
  }
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    switch (errno) {
      case EINTR:
        continue;
      case ENOENT:
      case ECONNREFUSED:
        throw Closed(format("nobody listens at {}", address));
      case EAGAIN:
        throw Timeout(format("the listener at {} does not accept", address));
      case EPROTOTYPE:
        throw Invalid(format("the listener at {} speaks over another transport", address));
      default:
        throw_errno(format("connect({})", address));
    }
  }
  return socket;
}

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw_errno("getsockopt(SO_PEERCRED)");
  }
  return {credentials.uid, credentials.pid};
}

}  // namespace towpath
