#pragma once
#include <string>
#include <string_view>

#include "towpath/channel/zmq_socket.h"

namespace towpath {

// Encrypts what a socket sends and receives (CURVE, Curve25519), and lets only those in who know
// the same key. The listener's key pair is derived from the key, and both its halves stay secret:
// who can't compute the public half can't speak to the listener, and who can't compute the secret
// half can't answer in its place. So each proves to the other that it knows the key.
void secure_listener(ZmqSocket& socket, std::string_view key);
void secure_client(ZmqSocket& socket, std::string_view key);

}  // namespace towpath
