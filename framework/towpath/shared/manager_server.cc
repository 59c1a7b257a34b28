#include "towpath/shared/manager_server.h"

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
};

ManagerServer::ManagerServer(const ManagerOptions& options)
    : state_(std::make_unique<State>(options)) {}
ManagerServer::ManagerServer(ManagerServer&&) noexcept = default;
ManagerServer::~ManagerServer() = default;

const std::string& ManagerServer::address() const { return state_->server.where().address; }
Manager ManagerServer::manager() const {
  return Manager(managed::ManagerClient::of(state_->server.where()));
}
bool ManagerServer::serve(Millis timeout) { return state_->server.join(timeout); }
void ManagerServer::stop() { state_->server.stop(); }

}  // namespace towpath
