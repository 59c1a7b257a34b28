#include "towpath/channel/connection.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/per_process.h"
#include "towpath/channel/link.h"
#include "towpath/channel/ring_link.h"
#include "towpath/channel/zmq_link.h"

namespace towpath {
namespace {

// What an encoder may keep between messages.
constexpr size_t kKeptBytes = size_t{1} << 20;

std::unique_lock<std::timed_mutex> lock_until(std::timed_mutex& mutex, const Deadline& deadline) {
  std::unique_lock held(mutex, std::try_to_lock);
  if (held) return held;
  if (deadline.left() == kForever) {
    held.lock();
  } else {
#if defined(__SANITIZE_THREAD__)
    // That of g++ 12 doesn't know how the steady clock waits for a mutex.
    (void)held.try_lock_until(std::chrono::system_clock::now() + deadline.left());
#else
    (void)held.try_lock_for(deadline.left());
#endif
  }
  return held;
}

}  // namespace

struct Connection::State {
  explicit State(std::unique_ptr<Link> it)
      : sends(it->sends()), receives(it->receives()), link(std::move(it)) {}

  // The link of a child of fork is its parent's, and so are its threads.
  ~State() {
    if (generation != fork_generation())
      (void)link.release();  // NOLINT(bugprone-unused-return-value)
  }

  // Under a lock: whether the end is still open.
  void require_open(const char* what) const {
    if (closed.load(std::memory_order_relaxed)) throw_closed(what);
  }
  [[noreturn]] static void throw_closed(const char* what) {
    throw Invalid(format("{}: this end of the connection is closed, or was given away", what));
  }

  // Read without a lock in a child of fork, where nothing else of this may be touched.
  const uint32_t generation = fork_generation();
  const bool sends;
  const bool receives;
  std::atomic<bool> closed = false;
  std::atomic<int> fileno = -1;  // once it was asked for
  std::timed_mutex sending;
  std::timed_mutex receiving;
  Encoder encoder;
  std::unique_ptr<Link> link;
};

Connection::Connection() = default;
Connection::Connection(std::unique_ptr<Link> link)
    : state_(std::make_shared<State>(std::move(link))) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
Connection::~Connection() { close(); }

Connection::State& Connection::state(const char* what) const {
  if (!state_) throw Invalid(format("{}: there is no connection here, or it was moved away", what));
  if (state_->generation != fork_generation()) {
    throw Invalid(format(
        "{}: this end of the connection belongs to the process that forked this one: pass it "
        "to the child as an argument",
        what));
  }
  state_->require_open(what);
  return *state_;
}

// ── Sending ──

Connection::Sending::Sending(Connection& to, Millis timeout)
    : state_(to.state("send")), deadline_(timeout), lock_(hold_sending(state_, "send", deadline_)) {
  state_.encoder.clear();
}

Connection::Sending::~Sending() {
  if (lock_ && state_.encoder.bytes().size() > kKeptBytes) (void)state_.encoder.take();
}

Encoder& Connection::Sending::encoder() { return state_.encoder; }

void Connection::Sending::send() {
  const bool sent = state_.link->send(state_.encoder.bytes(), descriptors_.take(), deadline_);
  if (sent) descriptors_.sent();
  state_.require_open("send");
  if (!sent) throw Full("send: the other end does not read, and there is no room for more");
}

std::unique_lock<std::timed_mutex> Connection::hold_sending(State& s, const char* what,
                                                            const Deadline& deadline) {
  auto held = lock_until(s.sending, deadline);
  if (!held) throw Full(format("{}: another thread is sending through this end", what));
  s.require_open(what);
  if (!s.sends) throw Invalid(format("{}: this end of a simplex Pipe only receives", what));
  return held;
}

void Connection::send_plain(State& s, std::string_view bytes, const Deadline& deadline) {
  const bool sent = s.link->send(bytes, {}, deadline);
  s.require_open("send_bytes");
  if (!sent) throw Full("send_bytes: the other end does not read, and there is no room for more");
}

Connection::Loan Connection::loan(size_t size, Millis timeout) {
  State& s = state("loan");
  const Deadline deadline(timeout);
  Loan loan;
  loan.lock_ = hold_sending(s, "loan", deadline);
  const auto memory = s.link->reserve(size, deadline);
  s.require_open("loan");
  if (!memory) throw Full("loan: the other end does not read, and there is no room for more");
  loan.state_ = &s;
  loan.bytes_ = std::as_writable_bytes(*memory);
  if (loan.bytes_.empty() && size > 0) {
    loan.own_.resize(size);
    loan.bytes_ = loan.own_;
  }
  return loan;
}

void Connection::Loan::send(Millis timeout) {
  if (!lock_) throw Invalid("send: this loan was sent before");
  const auto held = std::move(lock_);
  send_plain(*state_, {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()},
             Deadline(timeout));
}

void Connection::send_bytes(std::string_view bytes, Millis timeout) {
  State& s = state("send_bytes");
  const Deadline deadline(timeout);
  const auto held = hold_sending(s, "send_bytes", deadline);
  send_plain(s, bytes, deadline);
}
void Connection::send_bytes(std::span<const std::byte> bytes, Millis timeout) {
  send_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, timeout);
}

// ── Receiving ──

void Connection::Received::Done::operator()(Link* link) const noexcept { link->done(); }

void Connection::Received::throw_trailing(size_t bytes) {
  throw Invalid(format("{} bytes follow the value in a message: it is of another type", bytes));
}

Connection::Received Connection::receive(Millis timeout) {
  State& s = state("recv");
  const Deadline deadline(timeout);
  Received received;
  received.lock_ = lock_until(s.receiving, deadline);
  if (!received.lock_) throw Empty("recv: another thread is receiving from this end");
  s.require_open("recv");
  if (!s.receives) throw Invalid("recv: this end of a simplex Pipe only sends");
  auto incoming = s.link->receive(deadline);
  s.require_open("recv");
  if (!incoming) throw Empty("recv: no message came in time");
  received.link_.reset(s.link.get());
  received.bytes_ = incoming->bytes;
  received.fds_ = std::move(incoming->fds);
  return received;
}

std::string Connection::recv_bytes(Millis timeout) { return std::string(receive(timeout).bytes()); }

std::string Connection::recv_bytes(size_t most, Millis timeout) {
  std::string bytes = recv_bytes(timeout);
  if (bytes.size() > most) {
    const std::string what =
        format("recv_bytes: a message of {} bytes; at most {} were asked for: the error holds it",
               bytes.size(), most);
    throw BufferTooShort(what, std::move(bytes));
  }
  return bytes;
}

size_t Connection::recv_bytes_into(std::span<std::byte> buffer, Millis timeout) {
  const Received message = receive(timeout);
  const std::string_view bytes = message.bytes();
  if (bytes.size() > buffer.size()) {
    throw BufferTooShort(
        format("recv_bytes_into: a message of {} bytes for a buffer of {}: the error holds it",
               bytes.size(), buffer.size()),
        std::string(bytes));
  }
  if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return bytes.size();
}

bool Connection::poll(Millis timeout) {
  State& s = state("poll");
  const Deadline deadline(timeout);
  const auto held = lock_until(s.receiving, deadline);
  if (!held) return false;
  s.require_open("poll");
  if (!s.receives) throw Invalid("poll: this end of a simplex Pipe only sends");
  const bool ready = s.link->poll(deadline);
  s.require_open("poll");
  return ready;
}

int Connection::fileno() const {
  State& s = state("fileno");
  if (!s.receives) throw Invalid("fileno: this end of a simplex Pipe only sends");
  if (const int known = s.fileno.load(); known >= 0) return known;
  const std::lock_guard held(s.receiving);
  s.require_open("fileno");
  s.fileno = s.link->fileno();
  return s.fileno;
}

bool Connection::readable() const { return state("readable").receives; }
bool Connection::writable() const { return state("writable").sends; }
bool Connection::closed() const {
  return !state_ || state_->closed || state_->generation != fork_generation();
}

void Connection::close() {
  if (closed()) return;
  State& s = *state_;
  if (s.closed.exchange(true)) return;
  s.link->interrupt();
  const std::scoped_lock held(s.sending, s.receiving);
  s.link.reset();
}

// ── Travelling ──

// An end that has been encoded: closed for all, and open again unless its message has left.
class Connection::LeavingEnd final : public Leaving {
 public:
  explicit LeavingEnd(std::shared_ptr<State> state) : state_(std::move(state)) {
    if (state_->closed.exchange(true)) state_->throw_closed("giving a connection away");
  }
  ~LeavingEnd() override {
    if (state_->link) state_->closed = false;
  }
  void left() noexcept override {
    state_->link->let_go();
    state_->link.reset();
  }

 private:
  const std::shared_ptr<State> state_;
};

void Codec<Connection>::write(Encoder& out, const Connection& value) {
  Connection::State& s = value.state("giving a connection away");
  const std::unique_lock sending(s.sending, std::try_to_lock);
  const std::unique_lock receiving(s.receiving, std::try_to_lock);
  if (!sending || !receiving) {
    throw Invalid("giving a connection away: another thread is using this end");
  }
  auto end = std::make_unique<Connection::LeavingEnd>(value.state_);
  s.link->encode_end(out);
  OutgoingDescriptors::add(std::move(end));
}

Connection Codec<Connection>::read(Decoder& in) {
  in.array(2);
  switch (decode<LinkKind>(in)) {
    case LinkKind::kRing:
      return Connection(RingLink::adopt(in));
    case LinkKind::kZeroMq:
      return Connection(ZmqLink::adopt(in));
  }
  throw Invalid("an end of a connection of a transport that does not exist");
}

std::pair<Connection, Connection> Pipe(bool duplex, Transport transport) {
  auto [first, second] =
      transport == Transport::kZeroMq ? ZmqLink::make(duplex) : RingLink::make(duplex);
  return {Connection(std::move(first)), Connection(std::move(second))};
}

}  // namespace towpath
