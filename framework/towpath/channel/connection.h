#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/channel/descriptor.h"
#include "towpath/channel/transport.h"
#include "towpath/message/codec.h"
#include "towpath/message/object.h"

namespace towpath {

class Link;

// The largest message of a Connection.
inline constexpr uint64_t kMaxConnectionMessage = (uint64_t{4} << 30) - 1;

// One of the two ends of a channel between two processes.
//
// Order      kept. Messages never merge; empty ones are messages too.
// Capacity   bytes: send waits while the peer has much unread (on one host, a ring of 256 KiB; for
//            messages above 32 KiB a second one, of at most 64 MiB). That is the back-pressure.
// Timeouts   send: Full, and the message does not arrive. recv, recv_bytes: Empty, nothing is lost.
// Errors     Closed: the peer has closed its end, or died; a peer killed within the last few
//            milliseconds may not be missed yet, and what is sent then is lost with it.
//            EndOfStream: the same on receiving, after all that was sent whole.
//            Invalid: this end is closed, given away, of another process, or for the other
//            direction only; the message is too large, or, on receiving, not of the type asked for
//            (it is gone then, and the next one can be received; so it is when there is no room
//            for its descriptors or bytes: SystemError, std::bad_alloc). A peer that writes beside
//            the rules: Invalid, and that is the connection's end.
// Threads    any. Sending calls follow one another, receiving calls too; the two don't wait for
//            each other. close() ends the calls that wait.
// Processes  one. An end moves to another process as an argument of a Process, or through another
//            Connection, alone or inside a struct or vector, and is closed here by that; where the
//            message does not leave, it stays. A copy that a fork made is refused.
// Deaths     a peer killed in the middle of a message has not sent it; what it had sent is
//            received. On one host its end is known at once, on TCP when the system says so, or
//            after 30 s of silence.
// Source     Python's multiprocessing.connection.Connection. Data is MessagePack, never code;
//            time-outs are additions.
class Connection {
 private:
  struct State;

 public:
  Connection();  // none: every use is Invalid
  explicit Connection(std::unique_ptr<Link> link);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();  // closes

  template <class T>
  void send(const T& value, Millis timeout = kForever) {
    Sending message(*this, timeout);
    encode(message.encoder(), value);
    message.send();
  }
  void send(const char* text, Millis timeout = kForever) { send(std::string(text), timeout); }
  template <class T = Object>
  T recv(Millis timeout = kForever) {
    return receive(timeout).as<T>();
  }

  // Bytes as they are, not as MessagePack. A part of a buffer is a span of it: what Python says by
  // (buf, offset, size).
  void send_bytes(std::span<const std::byte> bytes, Millis timeout = kForever);
  void send_bytes(std::string_view bytes, Millis timeout = kForever);

  // Memory for one message, to be written where the peer will read it.
  class Loan {
   public:
    std::span<std::byte> bytes() { return bytes_; }  // as they were left there; not zero
    // Once. The message is what bytes() holds now.
    void send(Millis timeout = kForever);

   private:
    friend class Connection;
    Loan() = default;
    State* state_ = nullptr;
    std::unique_lock<std::timed_mutex> lock_;
    std::vector<std::byte> own_;
    std::span<std::byte> bytes_;
  };
  // On one host nothing of a message above 32 KiB is copied then; else this is a buffer for
  // send_bytes(). Waits for room. Until it is sent or ends, other sending calls and close() wait;
  // one that ends unsent was nothing.
  Loan loan(size_t size, Millis timeout = kForever);

  std::string recv_bytes(Millis timeout = kForever);
  // At most so many. A message of more: BufferTooShort, which holds it, and the next can be
  // received. (Python throws OSError then, the message is lost, and the end can't be used.)
  std::string recv_bytes(size_t most, Millis timeout = kForever);
  // Returns the message's size. A message that doesn't fit: BufferTooShort, which holds it. To
  // receive behind an offset, give the part of the buffer from there on.
  size_t recv_bytes_into(std::span<std::byte> buffer, Millis timeout = kForever);

  // A message where it lies in shared memory, not copied. Its room is given back with it; until
  // then other receiving calls and close() wait.
  class Received {
   public:
    std::string_view bytes() const { return bytes_; }
    // Descriptors and Connections in it can be taken once.
    template <class T>
    T as() {
      const IncomingDescriptors descriptors(std::move(fds_));
      Decoder in(bytes_);
      T value = decode<T>(in);
      if (!in.at_end()) throw_trailing(in.rest().size());
      IncomingDescriptors::decoded();
      return value;
    }

   private:
    friend class Connection;
    Received() = default;
    [[noreturn]] static void throw_trailing(size_t bytes);
    struct Done {
      void operator()(Link* link) const noexcept;
    };
    std::unique_lock<std::timed_mutex> lock_;
    std::unique_ptr<Link, Done> link_;  // after the lock, so given back before it is released
    std::string_view bytes_;
    std::vector<UniqueFd> fds_;
  };
  Received receive(Millis timeout = kForever);

  // True when a receive would not wait: a message is there (one above 32 MiB: its beginning), or
  // the end of the stream.
  bool poll(Millis timeout = Millis{0});
  // Readable exactly when poll() is true. For a poll loop only; it belongs to the Connection. The
  // first call waits for another thread that receives.
  int fileno() const;

  bool readable() const;  // false for the sending end of a simplex Pipe
  bool writable() const;
  bool closed() const;
  // The peer still receives what was sent. Closing again does nothing.
  void close();

 private:
  friend struct Codec<Connection>;

  // A message on its way: from here on other senders wait.
  class Sending {
   public:
    Sending(Connection& to, Millis timeout);
    ~Sending();
    Encoder& encoder();
    void send();

   private:
    State& state_;
    Deadline deadline_;
    std::unique_lock<std::timed_mutex> lock_;
    OutgoingDescriptors descriptors_;
  };

  class LeavingEnd;

  State& state(const char* what) const;
  static std::unique_lock<std::timed_mutex> hold_sending(State& state, const char* what,
                                                         const Deadline& deadline);
  static void send_plain(State& state, std::string_view bytes, const Deadline& deadline);

  std::shared_ptr<State> state_;  // and a message's with which it leaves
};

// Two connected ends. Not duplex: the first only receives, the second only sends, as Python has it.
std::pair<Connection, Connection> Pipe(bool duplex = true, Transport transport = Transport::kAuto);

template <>
struct Codec<Connection> {
  static void write(Encoder& out, const Connection& value);
  static Connection read(Decoder& in);
};

}  // namespace towpath
