#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "towpath/base/private_fd.h"
#include "towpath/channel/link.h"
#include "towpath/channel/zmq_pump.h"

namespace towpath {

// The transport over ZeroMQ. What a killed sender had queued is lost; descriptors don't travel.
//
// An end of a Pipe opens at its first use, because ZeroMQ has threads, and a process with threads
// can't fork: so the ends can be made, then given to children. From the first use on it stays where
// it is. Each end listens for what it receives from the beginning, so the other can send before it
// is opened.
class ZmqLink final : public Link {
 public:
  // The two ends of a Pipe; simplex: the first receives.
  static std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> make(bool duplex);
  static std::unique_ptr<Link> adopt(Decoder& in);
  // Of sockets that are connected.
  explicit ZmqLink(PumpSockets sockets);
  ~ZmqLink() override;

  bool sends() const override { return sends_; }
  bool receives() const override { return receives_; }
  bool send(std::string_view bytes, std::vector<UniqueFd> fds, const Deadline& deadline) override;
  std::optional<std::span<char>> reserve(uint64_t, const Deadline&) override {
    return std::span<char>();  // libzmq's memory is its own
  }
  std::optional<Incoming> receive(const Deadline& deadline) override;
  void done() noexcept override;
  bool poll(const Deadline& deadline) override;
  int fileno() override;
  void encode_end(Encoder& out) override;
  void let_go() noexcept override;
  void interrupt() noexcept override;

 private:
  ZmqLink() = default;
  ZmqPump& open();
  void forget_address();

  bool sends_ = true;
  bool receives_ = true;
  // Of an end of a Pipe, until it is opened.
  std::string in_address_;
  std::string out_address_;
  PrivateFd listening_;
  PrivateFd line_;

  std::mutex opening_;
  std::atomic<ZmqPump*> opened_ = nullptr;
  std::unique_ptr<ZmqPump> pump_;
  bool interrupted_ = false;
  std::string current_;
};

// Options of all sockets of a connection. A peer that sends a larger message is cut off.
void set_up_for_connection(ZmqSocket& socket, uint64_t max_message);

}  // namespace towpath
