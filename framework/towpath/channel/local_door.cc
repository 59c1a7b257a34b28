#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <span>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/private_fd.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/door.h"
#include "towpath/channel/local_socket.h"
#include "towpath/channel/ring_link.h"
#include "towpath/channel/shared_key.h"
#include "towpath/channel/wait.h"

// How two processes of one host meet, in packets over a unix socket:
//
//   listener ── Challenge ──▶ client
//   listener ◀── Answer ───── client     proves that it knows the key
//   listener ── Entrance ───▶ client     proves it too, and carries one end of a Pipe; or the
//   reason
//                                        why there is none

namespace towpath {
namespace {

constexpr int64_t kVersion = 2;
constexpr size_t kNonce = 32;
constexpr uint64_t kMaxGreeting = 4096;

struct Challenge {
  int64_t version = kVersion;
  bool keyed = false;
  std::string nonce;
  TOWPATH_FIELDS(version, keyed, nonce)
};

struct Answer {
  bool keyed = false;
  std::string nonce;
  std::string proof;
  TOWPATH_FIELDS(keyed, nonce, proof)
};

struct Entrance {
  std::string refusal{};  // empty: come in
  std::string proof{};
  std::string end{};   // encoded
  std::string lack{};  // not empty: who may come in can't, for want of this
  TOWPATH_FIELDS(refusal, proof, end, lack)
};

// The two sides prove different things, so that neither can send back what it got.
std::string proof_of(std::string_view side, const std::string& key, const std::string& challenge,
                     const std::string& answer) {
  return key.empty() ? std::string() : key_proof(key, std::string(side) + ":" + challenge + answer);
}

class LocalDoor final : public Listener::Door {
 public:
  LocalDoor(const std::string& address, const ConnectOptions& options)
      : key_(options.key), max_message_(options.max_message) {
    address_ = address.empty() ? new_address() : address;
    path_ = socket_path(address_);
    listening_ = PrivateFd(listen_locally(address_, SOCK_SEQPACKET));
  }
  // A copy that fork made is not the listener.
  ~LocalDoor() override {
    if (owner_ == ::getpid()) interrupt();
  }

  std::optional<Connection> accept(const Deadline& deadline) override {
    for (;;) {
      if (closed_) {
        guests_.clear();
        throw Closed(format("the listener at {} is closed", address_));
      }
      std::vector<int> fds{guests_.size() < kAtDoor ? listening_.get() : -1};
      Millis patience = deadline.left();
      for (const Guest& guest : guests_) {
        fds.push_back(guest.socket.get());
        patience = std::min(patience, guest.patience.left());
      }
      const std::vector<size_t> ready = wait(std::span<const int>(fds), patience);
      if (closed_) continue;
      if (ready.empty() && deadline.passed()) return std::nullopt;
      std::optional<Connection> connection;
      size_t number = 0;
      std::erase_if(guests_, [&](const Guest& guest) {
        const bool speaks = std::ranges::find(ready, ++number) != ready.end();
        if (speaks && connection) return false;  // the next time
        if (!speaks && !guest.patience.passed()) return false;
        if (speaks) connection = answer(guest);
        if (!speaks || !connection) ++refused_;
        return true;
      });
      if (connection) return connection;
      if (!ready.empty() && ready.front() == 0) let_one_near();
    }
  }

  void interrupt() noexcept override {
    if (closed_.exchange(true)) return;
    ::shutdown(listening_.get(), SHUT_RDWR);
    ::unlink(path_.c_str());
  }

 private:
  // One who has come near and was asked who it is.
  struct Guest {
    PrivateFd socket;
    Challenge challenge;
    Deadline patience{kGreeting};
  };

  void let_one_near() {
    UniqueFd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
      // EINVAL: it was closed meanwhile.
      if (errno == EINVAL || errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      throw_errno(format("accept4({})", address_));
    }
    try {
      if (peer_of(socket.get()).uid != ::geteuid())
        refuse(socket.get(), "the listener belongs to another user");
      Challenge challenge{kVersion, !key_.empty(), random_bytes(kNonce)};
      send_packet(socket.get(), to_bytes(challenge), {}, Millis{0});
      guests_.push_back({PrivateFd(std::move(socket)), std::move(challenge)});
    } catch (const Error&) {
      ++refused_;  // it died, or is none of ours: nothing that a server should end by
    }
  }

  // None: it was turned away, or has died.
  std::optional<Connection> answer(const Guest& guest) {
    try {
      Connection connection = let_in(guest.socket.get(), guest.challenge);
      last_accepted_ = format("pid {}", peer_of(guest.socket.get()).pid);
      return connection;
    } catch (const SystemError& error) {
      tell_lack(guest.socket.get(), error.what());
    } catch (const std::bad_alloc&) {
      tell_lack(guest.socket.get(), "memory");
    } catch (const Error&) {
      // It has died, or is none of ours.
    }
    return std::nullopt;
  }

  // This process lacks what letting in takes. Who waits is told: silence would pass for the
  // listener's end.
  void tell_lack(int socket, const std::string& what) {
    log(Level::kWarning, format("{}: no client can come in now: {}", address_, what));
    try {
      send_packet(socket, to_bytes(Entrance{.lack = what}), {}, Millis{0});
    } catch (const Error&) {
      // It has died meanwhile.
    }
  }

  [[noreturn]] static void refuse(int socket, const std::string& why) {
    send_packet(socket, to_bytes(Entrance{.refusal = why}), {}, Millis{0});
    throw AuthenticationError(why);
  }

  Connection let_in(int socket, const Challenge& challenge) {
    const auto packet = receive_packet(socket, Millis{0}, kMaxGreeting);
    if (!packet) throw Timeout("a client does not answer");
    const auto answer = from_bytes<Answer>(packet->bytes);
    if (answer.keyed && key_.empty()) refuse(socket, "the client has a key, the listener has none");
    if (!answer.keyed && !key_.empty()) refuse(socket, "the listener wants a key");
    if (!same_secret(answer.proof, proof_of("client", key_, challenge.nonce, answer.nonce)))
      refuse(socket, "the key is wrong");
    auto [mine, its] = RingLink::make(true, max_message_);
    Entrance entrance;
    entrance.proof = proof_of("listener", key_, challenge.nonce, answer.nonce);
    OutgoingDescriptors descriptors;
    entrance.end = to_bytes(Connection(std::move(its)));
    const std::vector<UniqueFd> fds = descriptors.take();
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
    send_packet(socket, to_bytes(entrance), numbers, Millis{0});
    descriptors.sent();
    return Connection(std::move(mine));
  }

  const pid_t owner_ = ::getpid();
  const std::string key_;
  const uint64_t max_message_;
  std::string path_;
  PrivateFd listening_;
  std::vector<Guest> guests_;  // whoever came first
  std::atomic<bool> closed_ = false;
};

}  // namespace

std::string new_address() {
  static std::atomic<uint64_t> count{0};
  return program_session().address(format("listener-{}-{}", ::getpid(), ++count));
}

std::unique_ptr<Listener::Door> open_local_door(const std::string& address,
                                                const ConnectOptions& options) {
  return std::make_unique<LocalDoor>(address, options);
}

Connection enter_local_door(const std::string& address, const ConnectOptions& options,
                            const Deadline& deadline) {
  const UniqueFd socket = connect_locally(address, SOCK_SEQPACKET, deadline.left());
  if (peer_of(socket.get()).uid != ::geteuid()) {
    throw AuthenticationError(format("the listener at {} belongs to another user", address));
  }
  const auto next = [&] {
    try {
      if (auto packet = receive_packet(socket.get(), deadline.left(), kMaxGreeting))
        return std::move(*packet);
    } catch (const EndOfStream&) {
      throw Closed(format("the listener at {} hung up", address));
    }
    throw Timeout(format("the listener at {} does not accept", address));
  };
  const auto challenge = from_bytes<Challenge>(next().bytes);
  if (challenge.version != kVersion) {
    throw Unsupported(format("the listener at {} is of another version of Towpath", address));
  }
  // Who asks for nothing gets no proof: it may have said so to be given one for another listener.
  const Answer answer{!options.key.empty(), random_bytes(kNonce), {}};
  Answer proved = answer;
  if (challenge.keyed) {
    proved.proof = proof_of("client", options.key, challenge.nonce, answer.nonce);
  }
  try {
    send_packet(socket.get(), to_bytes(proved), {}, deadline.left());
  } catch (const Full&) {
    throw Timeout(format("the listener at {} does not accept", address));
  }
  Packet packet = next();
  const auto entrance = from_bytes<Entrance>(packet.bytes);
  if (!entrance.refusal.empty()) {
    throw AuthenticationError(format("{}: {}", address, entrance.refusal));
  }
  if (!entrance.lack.empty()) throw_lacking(address, entrance.lack);
  if (!same_secret(entrance.proof,
                   proof_of("listener", options.key, challenge.nonce, answer.nonce))) {
    throw AuthenticationError(format("the listener at {} does not know the key", address));
  }
  const IncomingDescriptors descriptors(std::move(packet.fds));
  return from_bytes<Connection>(entrance.end);
}

}  // namespace towpath
