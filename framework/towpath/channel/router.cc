#include "towpath/channel/router.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/local_socket.h"
#include "towpath/channel/wait.h"
#include "towpath/channel/zmq_socket.h"

namespace towpath {
namespace {

constexpr int kLingerMillis = 1'000;
constexpr int kUnread = 1'000;  // messages of a peer; those behind them stay with it

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    throw_errno(format("epoll_ctl(ADD, {})", fd));
}

}  // namespace

struct Router::State {
  explicit State(const std::string& where)
      : address(where), listening(listen_locally(where, SOCK_STREAM)) {
    if (!epoll) throw_errno("epoll_create1");
    watch(epoll.get(), pending.get());
  }

  // The path goes with its listener: ZeroMQ leaves it when the socket is given to it. A copy that
  // fork made is not the listener.
  ~State() {
    if (owner == ::getpid()) ::unlink(socket_path(address).c_str());
  }

  // ZeroMQ has threads, and a process with threads can't fork: it starts at first use.
  ZmqSocket& open() {
    if (socket) return *socket;
    socket.emplace(ZMQ_ROUTER);
    socket->set(ZMQ_ROUTER_MANDATORY, 1);
    socket->set(ZMQ_SNDHWM, 0);
    socket->set(ZMQ_RCVHWM, kUnread);
    socket->set(ZMQ_LINGER, kLingerMillis);
    socket->set(ZMQ_MAXMSGSIZE, kMaxMessageBytes);
    socket->set(ZMQ_USE_FD, listening.release());  // ZeroMQ closes it
    socket->bind(address);
    watch(epoll.get(), socket->get(ZMQ_FD));
    return *socket;
  }

  void set_pending(bool value) {
    if (is_pending == value) return;
    is_pending = value;
    if (value) {
      pending.signal();
    } else {
      pending.clear();
    }
  }

  const pid_t owner = ::getpid();
  const std::string address;
  UniqueFd listening;
  std::optional<ZmqSocket> socket;
  WakeFd pending = WakeFd::create();
  UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  bool is_pending = false;
};

Router::Router(const std::string& address)
    : state_((check_address(address), std::make_unique<State>(address))) {}

Router::Router(Router&&) noexcept = default;
Router::~Router() = default;

int Router::fd() const {
  state_->open();
  return state_->epoll.get();
}

bool Router::send(std::string_view to, std::string bytes) {
  ZmqSocket& socket = state_->open();
  const bool known = socket.send(to, true) == ZmqSocket::Sent::kYes;
  if (known) socket.send_whole(std::move(bytes));
  // Sending, also in vain, reads the signals of arriving messages too: those would then wake
  // nobody.
  if (socket.get(ZMQ_EVENTS) & ZMQ_POLLIN) state_->set_pending(true);
  return known;
}

std::optional<Message> Router::receive(Millis timeout) {
  ZmqSocket& socket = state_->open();
  const Deadline deadline(timeout);
  for (;;) {
    if (auto from = socket.receive()) {
      if (!from->more_follow) continue;
      auto body = socket.receive();  // a message's parts arrive together
      bool whole = body && !body->more_follow;
      for (bool more = body && body->more_follow; more;) {
        const auto part = socket.receive();
        more = part && part->more_follow;
      }
      if (!whole) continue;  // not of a Dealer
      return Message{std::move(from->bytes), std::move(body->bytes)};
    }
    state_->set_pending(false);
    if (deadline.passed() || !wait_readable(state_->epoll.get(), deadline.left()))
      return std::nullopt;
  }
}

}  // namespace towpath
