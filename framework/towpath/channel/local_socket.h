#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>

#include "towpath/base/clock.h"
#include "towpath/base/unique_fd.h"

namespace towpath {

// Unix sockets under an address: "ipc:///run/…". `type` is SOCK_STREAM or SOCK_SEQPACKET. All close
// on exec.

// Invalid when it is no address, or too long for the kernel (107 bytes of path).
void check_address(std::string_view address);
std::string socket_path(std::string_view address);

// A socket that listens, without blocking, for this user alone. Invalid when another process
// listens there already: a second listener would take the address away from the first without a
// word. A path that a dead one left is taken over, by one at a time.
UniqueFd listen_locally(const std::string& address, int type);

// Closed when nobody listens there; Timeout when the listener doesn't get to it.
UniqueFd connect_locally(const std::string& address, int type, Millis timeout);

// Whose process made the other end.
struct Peer {
  uid_t uid;
  pid_t pid;
};
Peer peer_of(int socket);

}  // namespace towpath
