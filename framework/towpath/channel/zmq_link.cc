#include "towpath/channel/zmq_link.h"

#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/connection.h"
#include "towpath/channel/descriptor.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/local_socket.h"

namespace towpath {
namespace {

std::string next_address() {
  static std::atomic<uint64_t> count{0};
  return program_session().address(format("pipe-{}-{}", ::getpid(), ++count));
}

// What is around a message: our byte, and what CURVE adds.
constexpr uint64_t kFrame = 64;

}  // namespace

void set_up_for_connection(ZmqSocket& socket, uint64_t max_message) {
  socket.set(ZMQ_SNDHWM, 0);  // the pump counts bytes instead
  socket.set(ZMQ_RCVHWM, 0);
  socket.set(ZMQ_RECONNECT_IVL, -1);  // an end that is lost is lost
  socket.set(ZMQ_HANDSHAKE_IVL, 0);   // the other end may be opened late
  socket.set(ZMQ_MAXMSGSIZE,
             static_cast<int64_t>(std::min(max_message, kMaxConnectionMessage) + kFrame));
}

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> ZmqLink::make(bool duplex) {
  std::unique_ptr<ZmqLink> first(new ZmqLink);
  std::unique_ptr<ZmqLink> second(new ZmqLink);
  for (ZmqLink* end : {first.get(), second.get()}) {
    end->in_address_ = next_address();
    end->listening_ = PrivateFd(listen_locally(end->in_address_, SOCK_STREAM));
  }
  first->out_address_ = second->in_address_;
  second->out_address_ = first->in_address_;
  auto [first_line, second_line] = packet_pair();
  first->line_ = PrivateFd(std::move(first_line));
  second->line_ = PrivateFd(std::move(second_line));
  first->sends_ = second->receives_ = duplex;
  return {std::move(first), std::move(second)};
}

ZmqLink::ZmqLink(PumpSockets sockets) : pump_(std::make_unique<ZmqPump>(std::move(sockets))) {
  opened_ = pump_.get();
}

ZmqLink::~ZmqLink() { forget_address(); }

// The path of an end that nobody will connect to any more.
void ZmqLink::forget_address() {
  if (!in_address_.empty()) ::unlink(socket_path(in_address_).c_str());
  in_address_.clear();
}

void ZmqLink::encode_end(Encoder& out) {
  const std::lock_guard lock(opening_);
  if (pump_) {
    throw NotSerialisable(
        "an end over ZeroMQ that has been used stays in its process: give it away before its first "
        "use, or use Transport::kSharedMemory");
  }
  out.array(2);
  encode(out, LinkKind::kZeroMq);
  out.array(6);
  out.boolean(sends_);
  out.boolean(receives_);
  out.string(in_address_);
  out.string(out_address_);
  encode(out, Descriptor{listening_.get()});
  encode(out, Descriptor{line_.get()});
}

void ZmqLink::let_go() noexcept { in_address_.clear(); }  // it goes on listening there

std::unique_ptr<Link> ZmqLink::adopt(Decoder& in) {
  std::unique_ptr<ZmqLink> link(new ZmqLink);
  in.array(6);
  link->sends_ = in.boolean();
  link->receives_ = in.boolean();
  link->in_address_ = in.string();
  link->out_address_ = in.string();
  check_address(link->in_address_);
  check_address(link->out_address_);
  link->listening_ = PrivateFd(decode_descriptor(in));
  link->line_ = PrivateFd(decode_descriptor(in));
  return link;
}

ZmqPump& ZmqLink::open() {
  if (ZmqPump* opened = opened_.load()) return *opened;
  const std::lock_guard lock(opening_);
  if (interrupted_) throw Closed("this end of the connection is closed");
  if (pump_) return *pump_;
  PumpSockets sockets;
  sockets.in = std::make_unique<ZmqSocket>(ZMQ_PULL);
  sockets.out = std::make_unique<ZmqSocket>(ZMQ_PUSH);
  set_up_for_connection(*sockets.in, kMaxConnectionMessage);
  set_up_for_connection(*sockets.out, kMaxConnectionMessage);
  sockets.in->set(ZMQ_USE_FD, listening_.release().release());  // ZeroMQ closes it
  sockets.line = line_.release();
  sockets.in->bind(in_address_);
  sockets.bound_in = in_address_;
  sockets.connect_out = out_address_;
  pump_ = std::make_unique<ZmqPump>(std::move(sockets));
  opened_ = pump_.get();
  return *pump_;
}

bool ZmqLink::send(std::string_view bytes, std::vector<UniqueFd> fds, const Deadline& deadline) {
  if (!fds.empty()) {
    throw NotSerialisable("descriptors and Connections don't travel over ZeroMQ, only bytes do");
  }
  if (bytes.size() > kMaxConnectionMessage) {
    throw Invalid(format("a message of {} bytes; a connection carries at most {}", bytes.size(),
                         kMaxConnectionMessage));
  }
  return open().send(bytes, deadline);
}

std::optional<Link::Incoming> ZmqLink::receive(const Deadline& deadline) {
  auto message = open().receive(deadline);
  if (!message) return std::nullopt;
  current_ = std::move(*message);
  return Incoming{current_, {}};
}

void ZmqLink::done() noexcept { current_ = {}; }
bool ZmqLink::poll(const Deadline& deadline) { return open().poll(deadline); }
int ZmqLink::fileno() { return open().fileno(); }

void ZmqLink::interrupt() noexcept {
  const std::lock_guard lock(opening_);
  interrupted_ = true;
  if (pump_) pump_->interrupt();
}

}  // namespace towpath
