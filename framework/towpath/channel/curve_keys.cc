#include "towpath/channel/curve_keys.h"

#include <zmq.h>

#include <array>

#include "towpath/base/error.h"
#include "towpath/channel/shared_key.h"

namespace towpath {
namespace {

constexpr size_t kZ85 = 41;  // with the final 0

// 32 bytes, all of which are a secret key of Curve25519.
std::string secret_of(std::string_view key) {
  return key_secret(key, "towpath: the listener's secret key");
}

}  // namespace

void secure_listener(ZmqSocket& socket, std::string_view key) {
  socket.set(ZMQ_CURVE_SERVER, 1);
  socket.set(ZMQ_CURVE_SECRETKEY, secret_of(key));
}

void secure_client(ZmqSocket& socket, std::string_view key) {
  std::array<char, kZ85> listener_secret{};
  std::array<char, kZ85> listener_public{};
  const std::string secret = secret_of(key);
  if (::zmq_z85_encode(listener_secret.data(), reinterpret_cast<const uint8_t*>(secret.data()),
                       secret.size()) == nullptr ||
      ::zmq_curve_public(listener_public.data(), listener_secret.data()) != 0) {
    throw Unsupported("this libzmq has no CURVE, so there are no keys");
  }
  // The client's own pair tells nothing: a new one each time.
  std::array<char, kZ85> own_public{};
  std::array<char, kZ85> own_secret{};
  if (::zmq_curve_keypair(own_public.data(), own_secret.data()) != 0) {
    throw Unsupported("this libzmq has no CURVE, so there are no keys");
  }
  socket.set(ZMQ_CURVE_SERVERKEY, std::string_view(listener_public.data(), kZ85 - 1));
  socket.set(ZMQ_CURVE_PUBLICKEY, std::string_view(own_public.data(), kZ85 - 1));
  socket.set(ZMQ_CURVE_SECRETKEY, std::string_view(own_secret.data(), kZ85 - 1));
}

}  // namespace towpath
