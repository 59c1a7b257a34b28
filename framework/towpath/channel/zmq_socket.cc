#include "towpath/channel/zmq_socket.h"

#include <unistd.h>
#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <latch>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/signal_mask.h"

namespace towpath {
namespace {

constexpr int kMaxSockets = 16 * 1024;
constexpr size_t kNotCopied = size_t{16} << 10;

[[noreturn]] void throw_zmq(std::string_view call) {
  const int number = ::zmq_errno();
  if (number == ETERM || number == ENOTSOCK)
    throw Closed(format("{}: {}", call, ::zmq_strerror(number)));
  throw SystemError(format("{}: {}", call, ::zmq_strerror(number)), number);
}

// ZeroMQ aborts the process when it can't make its threads, so it is tried before: as many, at the
// same time.
void make_sure_of_threads() {
  constexpr int kThreads = 2;  // one that reads and writes, one that closes sockets
  const SignalsBlocked blocked;
  std::latch end(1);
  std::vector<std::thread> threads;
  int error = 0;
  try {
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&end] { end.wait(); });
  } catch (const std::system_error& failed) {
    error = failed.code().value();
  }
  end.count_down();
  for (std::thread& thread : threads) thread.join();
  if (error == 0) return;
  throw SystemError(format("a thread can't be made, and ZeroMQ needs {}", kThreads), error);
}

// The process's context. Ended at exit, so that what is queued still leaves within the sockets'
// linger; not if a socket is open then, which would wait for ever.
class Context {
 public:
  void* open_socket(int type) {
    const std::lock_guard lock(mutex_);
    if (context_ == nullptr || owner_ != ::getpid()) {
      make_sure_of_threads();
      context_ = ::zmq_ctx_new();
      if (context_ == nullptr) throw_zmq("zmq_ctx_new");
      owner_ = ::getpid();
      sockets_ = 0;
      ::zmq_ctx_set(context_, ZMQ_IO_THREADS, 1);
      ::zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, kMaxSockets);
    }
    void* socket = ::zmq_socket(context_, type);
    if (socket == nullptr) throw_zmq(format("zmq_socket({})", type));
    ++sockets_;
    return socket;
  }
  void close_socket(void* socket) {
    const std::lock_guard lock(mutex_);
    ::zmq_close(socket);
    --sockets_;
  }
  ~Context() {
    if (context_ == nullptr || owner_ != ::getpid() || sockets_ > 0) return;
    while (::zmq_ctx_term(context_) != 0 && errno == EINTR) {
    }
  }

 private:
  std::mutex mutex_;
  void* context_ = nullptr;
  pid_t owner_ = 0;
  int sockets_ = 0;
};

Context& context() {
  static Context it;
  return it;
}

}  // namespace

ZmqSocket::ZmqSocket(int type) : socket_(context().open_socket(type)), owner_(::getpid()) {}

ZmqSocket::~ZmqSocket() {
  if (is_ours()) context().close_socket(socket_);
}

bool ZmqSocket::is_ours() const { return owner_ == ::getpid(); }

void ZmqSocket::set(int option, int value) {
  if (::zmq_setsockopt(socket_, option, &value, sizeof value) != 0) {
    throw_zmq(format("zmq_setsockopt({}, {})", option, value));
  }
}

void ZmqSocket::set(int option, int64_t value) {
  if (::zmq_setsockopt(socket_, option, &value, sizeof value) != 0) {
    throw_zmq(format("zmq_setsockopt({}, {})", option, value));
  }
}

void ZmqSocket::set(int option, std::string_view value) {
  if (::zmq_setsockopt(socket_, option, value.data(), value.size()) != 0) {
    throw_zmq(format("zmq_setsockopt({}, {} bytes)", option, value.size()));
  }
}

int ZmqSocket::get(int option) const {
  int value = 0;
  size_t size = sizeof value;
  while (::zmq_getsockopt(socket_, option, &value, &size) != 0) {
    if (errno != EINTR) throw_zmq(format("zmq_getsockopt({})", option));
  }
  return value;
}

std::string ZmqSocket::endpoint() const {
  char name[512];
  size_t size = sizeof name;
  if (::zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, name, &size) != 0) {
    throw_zmq("zmq_getsockopt(ZMQ_LAST_ENDPOINT)");
  }
  return name;
}

void ZmqSocket::bind(const std::string& address) {
  if (::zmq_bind(socket_, address.c_str()) != 0) throw_zmq(format("zmq_bind({})", address));
}

void ZmqSocket::connect(const std::string& address) {
  if (::zmq_connect(socket_, address.c_str()) != 0) throw_zmq(format("zmq_connect({})", address));
}

ZmqSocket::Sent ZmqSocket::send(std::string_view part, bool more_follow) {
  const int flags = ZMQ_DONTWAIT | (more_follow ? ZMQ_SNDMORE : 0);
  for (;;) {
    if (::zmq_send(socket_, part.data(), part.size(), flags) >= 0) return Sent::kYes;
    if (errno == EAGAIN) return Sent::kNoRoom;
    if (errno == EHOSTUNREACH) return Sent::kNoPeer;
    if (errno != EINTR) throw_zmq(format("zmq_send({} bytes)", part.size()));
  }
}

ZmqSocket::Sent ZmqSocket::send_whole(std::string part) {
  if (part.size() < kNotCopied) return send(part, false);
  auto* const owned = new std::string(std::move(part));
  zmq_msg_t message;
  const auto end = [](void*, void* it) { delete static_cast<std::string*>(it); };
  if (::zmq_msg_init_data(&message, owned->data(), owned->size(), end, owned) != 0) {
    delete owned;
    throw_zmq("zmq_msg_init_data");
  }
  for (;;) {
    if (::zmq_msg_send(&message, socket_, ZMQ_DONTWAIT) >= 0) return Sent::kYes;
    if (errno == EINTR) continue;
    const int error = errno;
    ::zmq_msg_close(&message);
    errno = error;
    if (errno == EAGAIN) return Sent::kNoRoom;
    if (errno == EHOSTUNREACH) return Sent::kNoPeer;
    throw_zmq("zmq_msg_send");
  }
}

std::optional<ZmqSocket::Part> ZmqSocket::receive(std::string* peer) {
  zmq_msg_t message;
  ::zmq_msg_init(&message);
  for (;;) {
    if (::zmq_msg_recv(&message, socket_, ZMQ_DONTWAIT) >= 0) break;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return std::nullopt;
    throw_zmq("zmq_msg_recv");
  }
  Part part{{static_cast<const char*>(::zmq_msg_data(&message)), ::zmq_msg_size(&message)},
            ::zmq_msg_more(&message) != 0};
  if (peer != nullptr) {
    const char* address = ::zmq_msg_gets(&message, "Peer-Address");
    *peer = address == nullptr ? "" : address;
  }
  ::zmq_msg_close(&message);
  return part;
}

const int kZmqConnectionEnded =
    ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

ZmqMonitor::ZmqMonitor(ZmqSocket& socket, int events) : socket_(socket), events_(ZMQ_PAIR) {
  static std::atomic<unsigned> last{0};
  const std::string address = format("inproc://monitor-{}", ++last);
  if (::zmq_socket_monitor(socket.handle(), address.c_str(), events) != 0) {
    throw_zmq("zmq_socket_monitor");
  }
  events_.set(ZMQ_LINGER, 0);
  events_.connect(address);
}

ZmqMonitor::~ZmqMonitor() {
  if (socket_.is_ours()) ::zmq_socket_monitor(socket_.handle(), nullptr, 0);
}

int ZmqMonitor::next() {
  // An event is two parts: number and value, then the endpoint.
  while (const auto part = events_.receive()) {
    if (!part->more_follow || part->bytes.size() < 2) continue;
    uint16_t number;
    std::memcpy(&number, part->bytes.data(), sizeof number);
    return number;
  }
  return 0;
}

}  // namespace towpath
