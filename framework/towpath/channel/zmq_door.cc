#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/curve_keys.h"
#include "towpath/channel/door.h"
#include "towpath/channel/local_socket.h"
#include "towpath/channel/shared_key.h"
#include "towpath/channel/zmq_link.h"
#include "towpath/channel/zmq_socket.h"

// How two processes meet over ZeroMQ. A ROUTER is the door; behind it each client gets a PAIR of
// its own, because a PAIR's end is noticed, and its messages wait for nobody else's:
//
//   client ── Hello ───▶ door
//   client ◀── Welcome ── door     where the PAIR listens, and a token; or what lacks for one
//   client ── token ───▶ PAIR      from here on it is theirs

namespace towpath {
namespace {

constexpr int64_t kVersion = 2;
constexpr int kBeatMillis = 10'000;
constexpr int kSilenceMillis = 30'000;  // after which a peer counts as dead
constexpr int64_t kMaxGreeting = 4096;
constexpr std::string_view kTcp = "tcp://";
constexpr int kHandshakeFailed = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

struct Hello {
  int64_t version = kVersion;
  TOWPATH_FIELDS(version)
};

struct Welcome {
  std::string endpoint{};
  std::string token{};
  std::string lack{};  // not empty: the client can't come in, for want of this
  TOWPATH_FIELDS(endpoint, token, lack)
};

bool is_tcp(std::string_view address) { return address.starts_with(kTcp); }

// "tcp://127.0.0.1:4711" → "tcp://127.0.0.1", "4711".
std::pair<std::string, std::string> host_and_port(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon < kTcp.size() || colon + 1 == address.size()) {
    throw Invalid(format("\"{}\" is not an address: it has the form tcp://HOST:PORT", address));
  }
  return {address.substr(0, colon), address.substr(colon + 1)};
}

void beat(ZmqSocket& socket) {
  socket.set(ZMQ_HEARTBEAT_IVL, kBeatMillis);
  socket.set(ZMQ_HEARTBEAT_TIMEOUT, kSilenceMillis);
  socket.set(ZMQ_HEARTBEAT_TTL, kSilenceMillis);
}

// Waits until one is readable. False: time is up.
bool await(std::vector<zmq_pollitem_t> items, const Deadline& deadline) {
  for (;;) {
    const int ready =
        ::zmq_poll(items.data(), static_cast<int>(items.size()), deadline.poll_timeout());
    if (ready > 0) return true;
    if (ready < 0 && ::zmq_errno() != EINTR) throw SystemError("zmq_poll", ::zmq_errno());
    if (deadline.passed()) return false;
  }
}

class ZmqDoor final : public Listener::Door {
 public:
  ZmqDoor(const std::string& address, const ConnectOptions& options)
      : key_(options.key), max_message_(options.max_message) {
    const std::string where = address.empty() ? new_address() : address;
    door_.set(ZMQ_LINGER, 1'000);
    door_.set(ZMQ_MAXMSGSIZE, kMaxGreeting);
    if (!key_.empty()) secure_listener(door_, key_);
    if (is_tcp(where)) {
      auto [host, port] = host_and_port(where);
      beat(door_);
      try {
        door_.bind(host + ":" + (port == "0" ? "*" : port));
      } catch (const SystemError& error) {
        throw Invalid(format("nobody can listen at {}: {}", address, error.what()));
      }
      address_ = door_.endpoint();
    } else {
      listen_at(door_, where);
      path_ = socket_path(where);
      address_ = where;
    }
  }
  // A copy that fork made is not the listener.
  ~ZmqDoor() override {
    if (owner_ != ::getpid()) return;
    if (!path_.empty()) ::unlink(path_.c_str());
    for (const Guest& guest : guests_) turn_away(guest);
  }

  std::optional<Connection> accept(const Deadline& deadline) override {
    for (;;) {
      if (closed_) {
        for (const Guest& guest : std::exchange(guests_, {})) turn_away(guest);
        throw Closed(format("the listener at {} is closed", address_));
      }
      while (monitor_.next() != 0) ++refused_;
      greet();
      if (auto connection = let_in()) return connection;
      std::vector<zmq_pollitem_t> items{{monitor_.handle(), 0, ZMQ_POLLIN, 0},
                                        {nullptr, wake_.get(), ZMQ_POLLIN, 0}};
      if (guests_.size() < kAtDoor) items.push_back({door_.handle(), 0, ZMQ_POLLIN, 0});
      Millis patience = deadline.left();
      for (const Guest& guest : guests_) {
        items.push_back({nullptr, guest.line.fileno(), ZMQ_POLLIN, 0});
        patience = std::min(patience, guest.patience.left());
      }
      if (!await(std::move(items), Deadline(patience)) && deadline.passed()) return std::nullopt;
    }
  }

  void interrupt() noexcept override {
    closed_ = true;
    wake_.signal();
  }

 private:
  static void listen_at(ZmqSocket& socket, const std::string& address) {
    UniqueFd listening = listen_locally(address, SOCK_STREAM);
    // The path's mode keeps others out; but not root, who goes where root wants.
    socket.set(ZMQ_IPC_FILTER_UID, static_cast<int>(::geteuid()));
    socket.set(ZMQ_USE_FD, listening.release());  // ZeroMQ closes it
    socket.bind(address);
  }

  // One who was told where its PAIR is, and is to come there.
  struct Guest {
    Connection line;
    std::string token;
    std::string peer;
    std::string path;  // of the PAIR; empty: none
    Deadline patience{kGreeting};
  };

  // Those who are at the door.
  void greet() {
    std::string peer;
    while (guests_.size() < kAtDoor) {
      const auto from = door_.receive();
      if (!from) return;
      if (!from->more_follow) continue;
      auto body = door_.receive(&peer);
      bool alone = body && !body->more_follow;
      for (bool more = body && body->more_follow; more;) {
        const auto part = door_.receive();
        more = part && part->more_follow;
      }
      try {
        if (alone && from_bytes<Hello>(body->bytes).version == kVersion) {
          welcome(from->bytes, peer.empty() ? "local" : peer);
        } else {
          ++refused_;
          tell_lack(from->bytes, "it is none of this version of Towpath");
        }
      } catch (const SystemError& error) {
        tell_lack(from->bytes, error.what());
      } catch (const std::bad_alloc&) {
        tell_lack(from->bytes, "memory");
      } catch (const Error&) {
        ++refused_;  // it died, or is none of ours: nothing that a server should end by
      }
    }
  }

  // Who asks would wait for ever.
  void tell_lack(const std::string& identity, const std::string& what) {
    log(Level::kWarning, format("{}: a client can't come in: {}", address_, what));
    try {
      if (door_.send(identity, true) == ZmqSocket::Sent::kYes)
        door_.send(to_bytes(Welcome{.lack = what}), false);
    } catch (const Error&) {
      // It has died meanwhile.
    }
  }

  void welcome(const std::string& identity, std::string peer) {
    PumpSockets sockets;
    sockets.in = std::make_unique<ZmqSocket>(ZMQ_PAIR);
    set_up_for_connection(*sockets.in, max_message_);
    if (!key_.empty()) secure_listener(*sockets.in, key_);
    std::string private_path;
    if (is_tcp(address_)) {
      beat(*sockets.in);
      sockets.in->bind(host_and_port(address_).first + ":*");
    } else {
      const std::string private_address = format("{}.{}", address_, ++count_);
      private_path = socket_path(private_address);
      listen_at(*sockets.in, private_address);
    }
    const Welcome welcome{sockets.in->endpoint(), random_bytes(32)};
    sockets.bound_in = welcome.endpoint;
    try {
      guests_.push_back({Connection(std::make_unique<ZmqLink>(std::move(sockets))), welcome.token,
                         std::move(peer), private_path});
    } catch (...) {
      if (!private_path.empty()) ::unlink(private_path.c_str());
      throw;
    }
    if (door_.send(identity, true) == ZmqSocket::Sent::kYes) {
      door_.send(to_bytes(welcome), false);
    } else {
      turn_away(guests_.back());
      guests_.pop_back();
    }
  }

  void turn_away(const Guest& guest) {
    if (!guest.path.empty()) ::unlink(guest.path.c_str());
    ++refused_;
  }

  // The first who has come to its PAIR; none: nobody has.
  std::optional<Connection> let_in() {
    std::optional<Connection> connection;
    std::erase_if(guests_, [&](Guest& guest) {
      if (connection) return false;  // the next time
      try {
        if (!guest.line.poll() && !guest.patience.passed()) return false;
        if (!same_secret(guest.line.recv_bytes(Millis{0}), guest.token))
          throw AuthenticationError("a stranger at a PAIR");
        last_accepted_ = guest.peer;
        connection = std::move(guest.line);
      } catch (const Error&) {
        turn_away(guest);
      }
      return true;
    });
    return connection;
  }

  const pid_t owner_ = ::getpid();
  const std::string key_;
  const uint64_t max_message_;
  std::string path_;
  uint64_t count_ = 0;
  ZmqSocket door_{ZMQ_ROUTER};
  // Not those who hung up before they said anything.
  ZmqMonitor monitor_{door_, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH};
  WakeFd wake_ = WakeFd::create();
  std::vector<Guest> guests_;  // whoever came first
  std::atomic<bool> closed_ = false;
};

// Asks at the door.
Welcome ask(const std::string& address, const ConnectOptions& options, const Deadline& deadline) {
  ZmqSocket door(ZMQ_DEALER);
  constexpr int kMeets = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  ZmqMonitor monitor(door, kZmqConnectionEnded | kMeets);
  door.set(ZMQ_RECONNECT_IVL, -1);
  door.set(ZMQ_LINGER, 0);
  door.set(ZMQ_MAXMSGSIZE, kMaxGreeting);
  if (!options.key.empty()) secure_client(door, options.key);
  door.connect(address);
  door.send(to_bytes(Hello{}), false);
  bool connected = false;
  bool known = false;
  for (;;) {
    if (const auto answer = door.receive()) return from_bytes<Welcome>(answer->bytes);
    while (const int event = monitor.next()) {
      if (event == ZMQ_EVENT_CONNECTED) {
        connected = true;
      } else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        known = true;
      } else if (known) {
        throw Closed(format("the listener at {} hung up", address));
      } else if (connected || (event & kHandshakeFailed) != 0) {
        throw AuthenticationError(
            format("{}: the key is wrong, or only one side has one; without one over TCP it is "
                   "that of the program, which another program does not know",
                   address));
      } else {
        throw Closed(format("nobody listens at {}", address));
      }
    }
    if (!await({{door.handle(), 0, ZMQ_POLLIN, 0}, {monitor.handle(), 0, ZMQ_POLLIN, 0}},
               deadline)) {
      throw Timeout(format("the listener at {} does not accept", address));
    }
  }
}

}  // namespace

std::unique_ptr<Listener::Door> open_zmq_door(const std::string& address,
                                              const ConnectOptions& options) {
  return std::make_unique<ZmqDoor>(address, options);
}

Connection enter_zmq_door(const std::string& address, const ConnectOptions& options,
                          const Deadline& deadline) {
  if (is_tcp(address)) {
    (void)host_and_port(address);
  } else {
    // Says who listens there, and whether anybody does: ZeroMQ would wait for it.
    const UniqueFd probe = connect_locally(address, SOCK_STREAM, deadline.left());
    if (peer_of(probe.get()).uid != ::geteuid()) {
      throw AuthenticationError(format("the listener at {} belongs to another user", address));
    }
  }
  const Welcome welcome = ask(address, options, deadline);
  if (!welcome.lack.empty()) throw_lacking(address, welcome.lack);
  PumpSockets sockets;
  sockets.in = std::make_unique<ZmqSocket>(ZMQ_PAIR);
  set_up_for_connection(*sockets.in, kMaxConnectionMessage);
  if (!options.key.empty()) secure_client(*sockets.in, options.key);
  if (is_tcp(address)) {
    // The listener may know itself by another name, such as 0.0.0.0.
    beat(*sockets.in);
    sockets.connect_in =
        host_and_port(address).first + ":" + host_and_port(welcome.endpoint).second;
  } else {
    check_address(welcome.endpoint);
    sockets.connect_in = welcome.endpoint;
  }
  Connection connection(std::make_unique<ZmqLink>(std::move(sockets)));
  connection.send_bytes(welcome.token, deadline.left());
  return connection;
}

}  // namespace towpath
