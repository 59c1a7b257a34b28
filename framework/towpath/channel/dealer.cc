#include "towpath/channel/dealer.h"

#include <poll.h>
#include <zmq.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/local_socket.h"
#include "towpath/channel/message.h"
#include "towpath/channel/wait.h"
#include "towpath/channel/zmq_socket.h"

namespace towpath {
namespace {

constexpr int kLingerMillis = 1'000;

}  // namespace

struct Dealer::State {
  ZmqSocket socket{ZMQ_DEALER};
  ZmqMonitor monitor{socket, kZmqConnectionEnded};
  std::string address;
  int lifeline;
  bool ended = false;
  std::optional<std::string> next;  // received, not yet given out

  State(const std::string& to, int line) : address(to), lifeline(line) {}

  bool fetch() {
    while (!next) {
      auto part = socket.receive();
      if (!part) return false;
      bool alone = !part->more_follow;
      for (bool more = part->more_follow; more;) {
        const auto rest = socket.receive();
        more = rest && rest->more_follow;
      }
      if (alone) next = std::move(part->bytes);  // else not of a Router
    }
    return true;
  }

  void look_at_connection() {
    while (monitor.next() != 0) ended = true;
  }
};

Dealer::Dealer(const std::string& address, std::string_view identity, int lifeline)
    : state_((check_address(address), std::make_unique<State>(address, lifeline))) {
  if (identity.empty() || identity.size() > 255 || identity.front() == '\0') {
    throw Invalid("an identity has 1 to 255 bytes, the first not 0");
  }
  ZmqSocket& socket = state_->socket;
  socket.set(ZMQ_ROUTING_ID, identity);
  socket.set(ZMQ_RECONNECT_IVL, -1);
  socket.set(ZMQ_SNDHWM, 0);
  socket.set(ZMQ_RCVHWM, 0);
  socket.set(ZMQ_LINGER, kLingerMillis);
  socket.set(ZMQ_MAXMSGSIZE, kMaxMessageBytes);
  socket.connect(address);
}

Dealer::Dealer(Dealer&&) noexcept = default;

Dealer::~Dealer() = default;

void Dealer::forget_rest_at_end() { state_->socket.set(ZMQ_LINGER, 0); }

void Dealer::send(std::string bytes) {
  if (!state_->ended && state_->socket.send_whole(std::move(bytes)) == ZmqSocket::Sent::kYes)
    return;
  throw Closed(format("the connection to {} has ended", state_->address));
}

Woke Dealer::wait(std::span<const int> others, Millis timeout) {
  State& s = *state_;
  const Deadline deadline(timeout);
  std::vector<zmq_pollitem_t> items{{s.socket.handle(), 0, ZMQ_POLLIN, 0},
                                    {s.monitor.handle(), 0, ZMQ_POLLIN, 0}};
  if (s.lifeline >= 0) items.push_back({nullptr, s.lifeline, ZMQ_POLLIN | ZMQ_POLLERR, 0});
  const size_t first_other = items.size();
  for (const int fd : others) items.push_back({nullptr, fd, ZMQ_POLLIN | ZMQ_POLLERR, 0});
  for (;;) {
    if (s.fetch()) return Woke::kMessage;
    if (s.ended) throw Closed(format("the connection to {} has ended", s.address));
    const int ready =
        ::zmq_poll(items.data(), static_cast<int>(items.size()), deadline.poll_timeout());
    if (ready < 0 && errno != EINTR) throw SystemError("zmq_poll", ::zmq_errno());
    if (ready <= 0) {
      if (deadline.passed()) return s.fetch() ? Woke::kMessage : Woke::kTimeout;
      continue;
    }
    if (items[0].revents != 0 && s.fetch()) return Woke::kMessage;
    if (s.lifeline >= 0 && items[2].revents != 0) {
      throw Closed(format("the process behind {} has ended", s.address));
    }
    for (size_t i = first_other; i < items.size(); ++i) {
      if (items[i].revents != 0) return Woke::kDescriptor;
    }
    if (items[1].revents != 0) s.look_at_connection();
  }
}

std::optional<std::string> Dealer::receive(Millis timeout) {
  if (wait({}, timeout) == Woke::kTimeout) return std::nullopt;
  return std::exchange(state_->next, std::nullopt);
}

std::optional<std::string> Dealer::receive_arrived() {
  state_->fetch();
  return std::exchange(state_->next, std::nullopt);
}

}  // namespace towpath
