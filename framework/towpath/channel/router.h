#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/clock.h"
#include "towpath/channel/message.h"

namespace towpath {

// The side of a channel that many Dealers talk to, each known by its identity.
//
// Order      kept per peer; peers interleave.
// Capacity   none: the protocol above counts credits. So send never waits.
// Timeouts   receive(0) never waits.
// Errors     Invalid: the address is bad or another process listens there.
// Threads    one object, one thread. It listens from the beginning, but starts ZeroMQ (and with it
//            threads) at the first send, receive or fd: until then the process can fork.
// Deaths     send is false once the peer is known to be gone. It may still be true for a peer that
//            died a moment ago: then the bytes are lost. Death itself is known by pidfd, not here.
//            A second peer of an identity in use is never heard.
// Source     ZeroMQ ROUTER with ZMQ_ROUTER_MANDATORY, high-water marks 0.
class Router {
 public:
  explicit Router(const std::string& address);  // ipc:///folder/name
  Router(Router&&) noexcept;
  ~Router();  // sends what is queued, within a second

  bool send(std::string_view to, std::string bytes);
  std::optional<Message> receive(Millis timeout = Millis{0});

  // For a poll loop. Readable means: receive() until it gives nothing. ZeroMQ tells of new messages
  // once, not as long as there are some: a loop that stops before nothing is given may not be woken
  // for the rest. (What a send() has swallowed of that, this class makes good.)
  int fd() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace towpath
