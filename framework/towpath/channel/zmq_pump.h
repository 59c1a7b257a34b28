#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "towpath/base/clock.h"
#include "towpath/base/unique_fd.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/zmq_socket.h"

namespace towpath {

// The sockets of one end of a connection over ZeroMQ.
struct PumpSockets {
  std::unique_ptr<ZmqSocket> in;
  std::unique_ptr<ZmqSocket> out;  // none: `in` goes both ways
  // A packet socket that hangs up at the peer's end; may be none. One packet on it says that the
  // peer has opened its sockets.
  UniqueFd line{};
  std::string bound_in{};    // where `in` listens, for one peer only
  std::string connect_in{};  // or where it is to be connected, which the pump does
  std::string connect_out{};
};

// A thread that moves messages between the sockets of one end and two queues: a ZeroMQ socket
// serves one thread only and can't be polled exactly, a queue can.
//
// Capacity   bytes that the peer has not taken: 1 MiB, and a larger message if little else. The
//            peer says what it takes: ZeroMQ's high-water mark counts messages, and inexactly.
// Threads    any.
class ZmqPump {
 public:
  explicit ZmqPump(PumpSockets sockets);
  ~ZmqPump();  // hands what is queued to ZeroMQ, which sends it within 5 s

  // False: no room in time. Closed: the peer is gone.
  bool send(std::string_view bytes, const Deadline& deadline);
  // nullopt: nothing in time. EndOfStream.
  std::optional<std::string> receive(const Deadline& deadline);
  bool poll(const Deadline& deadline);
  int fileno() const { return readable_.get(); }  // readable as long as poll() is true
  void interrupt() noexcept;

 private:
  void run();
  bool hand_over();
  void collect();
  void look_at_peer();
  void sleep();
  void set_readable(bool value);
  void end();

  // The thread's own.
  PumpSockets sockets_;
  const bool listens_;
  std::unique_ptr<ZmqMonitor> monitor_;  // of `in`: says goodbye behind what the peer sent
  bool met_ = false;                     // the peer's messages can come in
  bool opened_ = false;                  // the peer has opened its sockets
  std::optional<Deadline> late_;  // the peer is gone; what it may have sent is awaited so long

  std::optional<Deadline> suspicion_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> outbox_;  // frames
  std::deque<std::string> inbox_;
  uint64_t in_flight_ = 0;  // bytes that the peer has not taken
  uint64_t inbox_size_ = 0;
  uint64_t taken_ = 0;  // and not yet told
  bool ended_ = false;
  bool closing_ = false;
  bool is_readable_ = false;
  WakeFd readable_ = WakeFd::create();
  WakeFd wake_ = WakeFd::create();
  std::thread thread_;
};

}  // namespace towpath
