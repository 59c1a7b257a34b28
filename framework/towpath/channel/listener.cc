#include "towpath/channel/listener.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/program_key.h"
#include "towpath/channel/door.h"

namespace towpath {
namespace {

// Which way an address and the options mean. Throws what both sides refuse.
bool is_local(const std::string& address, const ConnectOptions& options) {
  const bool tcp = address.starts_with("tcp://");
  if (!tcp && !address.empty() && !address.starts_with("ipc://")) {
    throw Invalid(
        format("\"{}\" is not an address: it has the form ipc:///folder/name or tcp://HOST:PORT",
               address));
  }
  if (tcp && options.transport == Transport::kSharedMemory) {
    throw Unsupported(format("{}: no memory is shared over TCP; use kAuto or kZeroMq", address));
  }
  if (options.plain_tcp && !options.key.empty()) {
    throw Invalid(format("{}: plain_tcp means without a key, and there is one", address));
  }
  return !tcp && options.transport != Transport::kZeroMq;
}

// With the key that both sides mean when they say none.
ConnectOptions with_key(const std::string& address, ConnectOptions options) {
  if (options.plain_tcp || !options.key.empty() || !address.starts_with("tcp://")) return options;
  options.key = program_key().bytes();
  return options;
}

}  // namespace

Listener::Listener(const std::string& address, const ConnectOptions& options) {
  door_ = is_local(address, options) ? open_local_door(address, options)
                                     : open_zmq_door(address, with_key(address, options));
}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

Connection Listener::accept(Millis timeout) {
  if (!door_) throw Invalid("accept: the listener was moved away");
  if (auto connection = door_->accept(Deadline(timeout))) return std::move(*connection);
  throw Timeout(format("accept: no client came to {} in time", address()));
}

const std::string& Listener::address() const { return door_->address(); }
const std::string& Listener::last_accepted() const { return door_->last_accepted(); }
uint64_t Listener::refused() const { return door_->refused(); }

void Listener::close() {
  if (door_) door_->interrupt();
}

Connection Client(const std::string& address, const ConnectOptions& options, Millis timeout) {
  const Deadline deadline(timeout);
  if (address.empty()) throw Invalid("Client: no address; a Listener has one");
  return is_local(address, options) ? enter_local_door(address, options, deadline)
                                    : enter_zmq_door(address, with_key(address, options), deadline);
}

void throw_lacking(const std::string& address, const std::string& what) {
  throw Error(format("the listener at {} lives, and can't let this client in: {}", address, what));
}

}  // namespace towpath
