#include "towpath/shared/manager_server.h"

#include <unistd.h>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/process/this_process.h"
#include "towpath/shared/object_server.h"

namespace towpath {
namespace {

managed::ObjectServer::Options server_options(const ManagerOptions& options) {
  managed::ObjectServer::Options it;
  it.name = options.name.empty() ? current_process().name() : options.name;
  it.address = options.address;
  it.connect = options.connect;
  it.max_message = options.max_message;
  it.transit = options.transit;
  it.remote_functions = options.remote_functions;
  it.types = options.types;
  return it;
}

}  // namespace

struct ManagerServer::State {
  explicit State(const ManagerOptions& options) : server(server_options(options)) {}
  managed::ObjectServer server;
  const pid_t owner = ::getpid();
};

ManagerServer::ManagerServer(const ManagerOptions& options)
    : state_(std::make_unique<State>(options)) {}
ManagerServer::ManagerServer(ManagerServer&&) noexcept = default;
// A copy that fork made is not the server: its threads are its parent's.
ManagerServer::~ManagerServer() {
  if (state_ != nullptr && state_->owner != ::getpid())
    (void)state_.release();  // NOLINT(bugprone-unused-return-value)
}

const std::string& ManagerServer::address() const { return state_->server.where().address; }
Manager ManagerServer::manager() const {
  return Manager(managed::ManagerClient::of(state_->server.where()));
}
bool ManagerServer::serve(Millis timeout) { return state_->server.join(timeout); }
void ManagerServer::stop() {
  if (state_->owner != ::getpid())
    throw Invalid(
        format("stop: the manager at {} serves in the parent of this process", address()));
  state_->server.stop();
}

}  // namespace towpath
