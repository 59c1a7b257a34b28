#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "towpath/base/clock.h"

namespace towpath {

enum class Woke { kMessage, kTimeout, kDescriptor };

// One peer's side of a channel to a Router.
//
// Identity   1 to 255 bytes, used once: there is no reconnecting. The Dealer speaks first.
// Order      kept, both ways.
// Capacity   none: the protocol above counts credits. So send never waits.
// Errors     Closed: the router is gone, or the lifeline hung up. Nothing will be answered.
// Threads    one object, one thread.
// Source     ZeroMQ DEALER, high-water marks 0.
class Dealer {
 public:
  // `lifeline` hangs up when the router's process ends; -1: the connection alone tells. It belongs
  // to the caller. The socket opens here, so make it in the process that uses it.
  Dealer(const std::string& address, std::string_view identity, int lifeline = -1);
  Dealer(Dealer&&) noexcept;
  ~Dealer();  // sends what is queued, within a second
  // Its end waits for nothing: for who has an answer to all that must arrive. (ZeroMQ takes that
  // second also when the router is gone.)
  void forget_rest_at_end();

  void send(std::string bytes);
  std::optional<std::string> receive(Millis timeout = kForever);
  // What has arrived, without a system call; a connection that has ended shows at the next wait.
  std::optional<std::string> receive_arrived();

  // Waits for a message, or for one of `others` to be readable or hung up, whichever comes first. A
  // message that is there already wins. kMessage: receive(0) gives it.
  Woke wait(std::span<const int> others, Millis timeout = kForever);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace towpath
