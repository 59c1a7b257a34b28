#include "towpath/channel/zmq_pump.h"

#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/make_thread.h"
#include "towpath/base/signal_mask.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/local_socket.h"

namespace towpath {
namespace {

constexpr uint64_t kWindow = uint64_t{1} << 20;
constexpr uint64_t kUntold = kWindow / 4;  // taken, and not told yet: one frame for many messages
constexpr uint64_t kOverhead = 64;         // of a message, whatever its size
constexpr int kLingerMillis = 5'000;
// After the end of a peer that opened its sockets and may have sent something before it was met.
constexpr Millis kLateness{5'000};

// A connection has ended; so long it is looked whether it was the peer's.
constexpr Millis kSuspicion{500};

// A frame's first byte.
constexpr char kMessage = 'm';
constexpr char kTaken = 't';  // then how many bytes

uint64_t cost(size_t bytes) { return bytes + kOverhead; }

}  // namespace

ZmqPump::ZmqPump(PumpSockets sockets)
    : sockets_(std::move(sockets)), listens_(sockets_.connect_in.empty()) {
  constexpr int kBegins = ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  for (ZmqSocket* socket : {sockets_.in.get(), sockets_.out.get()}) {
    if (socket != nullptr) socket->set(ZMQ_LINGER, kLingerMillis);
  }
  const int ends = listens_ ? kZmqConnectionEnded & ~ZMQ_EVENT_CLOSED : kZmqConnectionEnded;
  monitor_ = std::make_unique<ZmqMonitor>(*sockets_.in, ends | kBegins);
  try {
    if (sockets_.line) send_packet(sockets_.line.get(), "open");
  } catch (const Closed&) {
    // It may have sent something before its end.
  }
  if (!sockets_.connect_in.empty()) sockets_.in->connect(sockets_.connect_in);
  if (!sockets_.connect_out.empty()) sockets_.out->connect(sockets_.connect_out);
  const SignalsBlocked blocked;
  thread_ = make_thread("a connection over ZeroMQ", [this] {
    try {
      run();
    } catch (const std::exception& error) {
      log(Level::kError, format("a connection over ZeroMQ ends: {}", error.what()));
      end();
    }
  });
}

ZmqPump::~ZmqPump() {
  interrupt();
  thread_.join();
  if (!ended_) return;
  // Nobody will take what is still queued.
  for (ZmqSocket* socket : {sockets_.in.get(), sockets_.out.get()}) {
    if (socket != nullptr) socket->set(ZMQ_LINGER, 0);
  }
}

// ── The users' side ──

bool ZmqPump::send(std::string_view bytes, const Deadline& deadline) {
  std::unique_lock lock(mutex_);
  const uint64_t size = cost(bytes.size());
  const bool room = deadline.wait(changed_, lock, [this, size] {
    return ended_ || closing_ || in_flight_ < kUntold || in_flight_ + size <= kWindow;
  });
  if (ended_ || closing_)
    throw Closed("the other end of the connection is closed, or its process has ended");
  if (!room) return false;
  std::string frame;
  frame.reserve(bytes.size() + 1);
  frame.push_back(kMessage);
  frame.append(bytes);
  outbox_.push_back(std::move(frame));
  in_flight_ += size;
  if (outbox_.size() == 1) wake_.signal();
  return true;
}

std::optional<std::string> ZmqPump::receive(const Deadline& deadline) {
  std::unique_lock lock(mutex_);
  if (!deadline.wait(changed_, lock, [this] { return !inbox_.empty() || ended_ || closing_; })) {
    return std::nullopt;
  }
  if (inbox_.empty()) {
    throw EndOfStream("the other end of the connection is closed, or its process has ended");
  }
  std::string message = std::move(inbox_.front());
  inbox_.pop_front();
  inbox_size_ -= cost(message.size());
  taken_ += cost(message.size());
  if (inbox_.empty() && !ended_) set_readable(false);
  if (taken_ >= kUntold) wake_.signal();
  return message;
}

bool ZmqPump::poll(const Deadline& deadline) {
  std::unique_lock lock(mutex_);
  return deadline.wait(changed_, lock, [this] { return !inbox_.empty() || ended_ || closing_; });
}

void ZmqPump::interrupt() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  wake_.signal();
}

// Under the mutex, as what it says.
void ZmqPump::set_readable(bool value) {
  if (is_readable_ == value) return;
  is_readable_ = value;
  if (value) {
    readable_.signal();
  } else {
    readable_.clear();
  }
}

void ZmqPump::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  set_readable(true);
  changed_.notify_all();
}

// ── The thread ──

void ZmqPump::run() {
  while (hand_over()) {
    collect();
    look_at_peer();
    sleep();
  }
}

// What the users queued. False: that was all, for ever.
bool ZmqPump::hand_over() {
  std::deque<std::string> frames;
  uint64_t taken = 0;
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    frames.swap(outbox_);
    if (taken_ >= kUntold) taken = std::exchange(taken_, 0);
    closing = closing_;
  }
  ZmqSocket& out = sockets_.out ? *sockets_.out : *sockets_.in;
  if (taken > 0) {
    std::string frame(1 + sizeof taken, kTaken);
    std::memcpy(frame.data() + 1, &taken, sizeof taken);
    frames.push_front(std::move(frame));
  }
  // There is no high-water mark: what can't be queued has no peer to go to.
  for (const std::string& frame : frames) {
    if (out.send(frame, false) != ZmqSocket::Sent::kYes) break;
  }
  return !closing;
}

// What the peer sent.
void ZmqPump::collect() {
  std::deque<std::string> messages;
  uint64_t size = 0;
  uint64_t taken = 0;
  while (auto part = sockets_.in->receive()) {
    std::string& frame = part->bytes;
    if (frame.empty() || part->more_follow) throw Invalid("a frame that no Connection sends");
    if (frame.front() == kTaken && frame.size() == 1 + sizeof taken) {
      uint64_t bytes = 0;
      std::memcpy(&bytes, frame.data() + 1, sizeof bytes);
      taken += bytes;
    } else if (frame.front() == kMessage) {
      frame.erase(0, 1);
      size += cost(frame.size());
      messages.push_back(std::move(frame));
    } else {
      throw Invalid("a frame that no Connection sends");
    }
  }
  if (messages.empty() && taken == 0) return;
  const std::lock_guard lock(mutex_);
  inbox_size_ += size;
  for (std::string& message : messages) inbox_.push_back(std::move(message));
  if (!inbox_.empty() && inbox_size_ > kWindow + cost(inbox_.back().size())) {
    throw Invalid("a peer that sends without bounds");
  }
  if (taken > in_flight_) throw Invalid("a peer that takes what was not sent");
  in_flight_ -= taken;
  if (!inbox_.empty()) set_readable(true);
  changed_.notify_all();
}

void ZmqPump::look_at_peer() {
  if (ended_) return;  // written by this thread only
  bool failed = false;
  while (const int event = monitor_->next()) {
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      met_ = true;
      // One peer only. (To unbind would end its connection too.)
      if (sockets_.bound_in.starts_with("ipc:")) ::unlink(socket_path(sockets_.bound_in).c_str());
    } else {
      failed = true;
    }
  }
  if (sockets_.line && !late_) {
    try {
      while (receive_packet(sockets_.line.get(), Millis{0})) opened_ = true;
    } catch (const EndOfStream&) {
      late_.emplace(kLateness);
    }
  }
  if (failed) suspicion_.emplace(kSuspicion);
  if (suspicion_ && suspicion_->passed()) suspicion_.reset();
  bool over = false;
  if (!listens_) {
    over = failed;
  } else if (sockets_.line) {
    // Who was met says goodbye by the socket, behind what it sent. Who never opened its sockets
    // sent nothing.
    over = met_ ? failed : late_ && (failed || !opened_ || late_->passed());
  } else {
    // Strangers come and go at an open port, and are told of in the same way. But a PAIR whose peer
    // is gone can't send.
    over = met_ && suspicion_ && (sockets_.in->get(ZMQ_EVENTS) & ZMQ_POLLOUT) == 0;
  }
  if (!over) return;
  collect();
  end();
}

void ZmqPump::sleep() {
  std::vector<zmq_pollitem_t> items{{nullptr, wake_.get(), ZMQ_POLLIN, 0}};
  Millis limit = kForever;
  if (!ended_) {
    items.push_back({sockets_.in->handle(), 0, ZMQ_POLLIN, 0});
    items.push_back({monitor_->handle(), 0, ZMQ_POLLIN, 0});
    if (sockets_.line && !late_)
      items.push_back({nullptr, sockets_.line.get(), ZMQ_POLLIN | ZMQ_POLLERR, 0});
    if (late_ && !met_) limit = late_->left();
    if (suspicion_ && listens_ && !sockets_.line) limit = std::min(limit, kSuspicion / 100);
  }
  const long timeout = limit == kForever ? -1 : static_cast<long>(limit.count());
  if (::zmq_poll(items.data(), static_cast<int>(items.size()), timeout) < 0 &&
      ::zmq_errno() != EINTR) {
    throw SystemError("zmq_poll", ::zmq_errno());
  }
  if (items.front().revents != 0) wake_.clear();
}

}  // namespace towpath
