#pragma once
#include <memory>
#include <optional>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/channel/connection.h"
#include "towpath/channel/listener.h"

namespace towpath {

// One way of listening; the inside of Listener.
class Listener::Door {
 public:
  virtual ~Door() = default;
  // The next client that may come in; nullopt: none in time. Counts those turned away.
  virtual std::optional<Connection> accept(const Deadline& deadline) = 0;
  virtual void interrupt() noexcept = 0;  // accept() throws Closed, now and later

  const std::string& address() const { return address_; }
  const std::string& last_accepted() const { return last_accepted_; }
  uint64_t refused() const { return refused_; }

 protected:
  std::string address_;
  std::string last_accepted_;
  uint64_t refused_ = 0;
};

// How long one who comes in may take to say who it is. Others are let in meanwhile; but so many are
// at the door at a time, and the rest wait outside.
inline constexpr Millis kGreeting{5'000};
inline constexpr size_t kAtDoor = 64;

// The listener lives, and has told a client that it can't be let in for want of something.
[[noreturn]] void throw_lacking(const std::string& address, const std::string& what);

// A local one of this program's, for this user alone.
std::string new_address();

// Unix sockets; the two sides then share memory.
std::unique_ptr<Listener::Door> open_local_door(const std::string& address,
                                                const ConnectOptions& options);
Connection enter_local_door(const std::string& address, const ConnectOptions& options,
                            const Deadline& deadline);

// ZeroMQ, over TCP or a unix socket.
std::unique_ptr<Listener::Door> open_zmq_door(const std::string& address,
                                              const ConnectOptions& options);
Connection enter_zmq_door(const std::string& address, const ConnectOptions& options,
                          const Deadline& deadline);

}  // namespace towpath
