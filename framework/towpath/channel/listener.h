#pragma once
#include <memory>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/channel/connection.h"

namespace towpath {

// How a Listener and its Clients meet; both sides say the same.
struct ConnectOptions {
  // A secret that both sides know. Who doesn't know it never gets in: neither side learns the key,
  // nor sends or receives anything else. Long and random: a short one can be guessed from recorded
  // traffic. Empty: none is wanted at a local address, where the kernel tells whose process comes;
  // over TCP it is program_key(), so that the processes of this program get in, and no others.
  std::string key{};
  // Over TCP without any key: anybody may connect, read and write. To be said on purpose.
  bool plain_tcp = false;
  // kAuto: shared memory for local addresses, ZeroMQ for TCP.
  Transport transport = Transport::kAuto;
  // Of a Listener: what its Clients may send at most. A larger message is not read, it ends its
  // connection: in shared memory Invalid, and then EndOfStream; over ZeroMQ, which drops such a
  // peer and does not say why, EndOfStream at once.
  uint64_t max_message = kMaxConnectionMessage;
};

// Waits for Clients at an address, and makes a Connection for each.
//
// Addresses  "ipc:///folder/name" (a local socket), "tcp://HOST:PORT" (an IP address or interface;
//            port 0: a free one). Empty: a local one in the program's session.
// Security   local: Clients of other users are refused, and so is a listener of another user. With
//            a key each side proves to the other that it knows it; over TCP and any ZeroMQ that is
//            CURVE, whose keys are derived from the key, and all that follows is encrypted.
// Timeouts   accept: Timeout.
// Errors     Invalid: no address, somebody listens there; a key beside plain_tcp. Unsupported:
//            shared memory over TCP.
// Threads    one object, one thread; close() may be called by another.
// Deaths     a Client that dies in the middle of connecting is forgotten; accept goes on.
// Waiting    Clients come in before they are accepted, locally as many as the system lets
//            (net.core.somaxconn: 4096); over ZeroMQ a thread takes them in. So there is no backlog
//            to choose.
// Strangers  who says anything else than a Client does is turned away, and who is silent for 5 s;
//            others are let in meanwhile.
// Source     Python's multiprocessing.connection.Listener; but a Client with a wrong key ends in an
//            AuthenticationError there, not in accept(): a stranger can't stop a server.
class Listener {
 public:
  explicit Listener(const std::string& address = {}, const ConnectOptions& options = {});
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  Connection accept(Millis timeout = kForever);
  // With the port that was chosen.
  const std::string& address() const;
  // Of the last Connection's other end: an IP address, or "pid 4711". Empty before.
  const std::string& last_accepted() const;
  // How many were turned away.
  uint64_t refused() const;
  // Connections live on.
  void close();

  // One way of listening.
  class Door;

 private:
  std::unique_ptr<Door> door_;
};

// Connects to a Listener and returns when that has accepted. Closed: nobody listens there.
// AuthenticationError: the key is wrong, missing on one side, or the listener is another user's.
Connection Client(const std::string& address, const ConnectOptions& options = {},
                  Millis timeout = kForever);

}  // namespace towpath
