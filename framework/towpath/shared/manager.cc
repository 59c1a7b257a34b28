#include "towpath/shared/manager.h"

#include <unistd.h>

#include <atomic>
#include <mutex>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/per_process.h"
#include "towpath/channel/local_socket.h"
#include "towpath/process/process.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/this_process.h"
#include "towpath/process/throw_trace.h"
#include "towpath/shared/object_server.h"

namespace towpath {
namespace {

constexpr Millis kEnding{5'000};  // what calls that run may take when the manager ends
constexpr Millis kGrace{1'000};
constexpr Millis kLook{100};     // at whether it is stopped
constexpr Millis kStopped{500};  // what one that is stopped may take to go on

// What the manager's process is told.
struct ServerJob {
  std::string name;
  managed::Where where;
  uint64_t max_message = 0;
  int64_t transit = 0;
  bool remote_functions = false;
  std::vector<std::pair<std::string, CodeAddress>> types;
  std::optional<managed::RemoteFunction> initializer;
  std::string arguments;
  TOWPATH_FIELDS(name, where, max_message, transit, remote_functions, types, initializer, arguments)
};

// What it answers when it serves, or can't.
struct Started {
  managed::Where where;
  std::optional<RemoteTrace> failure;
  TOWPATH_FIELDS(where, failure)
};

managed::ObjectServer::Options options_of(const ServerJob& job) {
  managed::ObjectServer::Options options;
  options.name = job.name;
  options.address = job.where.address;
  options.connect = {job.where.key, job.where.plain_tcp, job.where.transport};
  options.max_message = job.max_message;
  options.transit = Millis(job.transit);
  options.remote_functions = job.remote_functions;
  for (const auto& [name, code] : job.types)
    options.types.emplace_back(name, reinterpret_cast<managed::Describe>(resolve_code(code)));
  return options;
}

std::unique_ptr<managed::ObjectServer> start_server(const ServerJob& job) {
  const RecordThrows record;
  if (job.initializer) {
    const auto function = reinterpret_cast<Call::Function>(resolve_code(job.initializer->function));
    const auto thunk = reinterpret_cast<Call::Thunk>(resolve_code(job.initializer->thunk));
    Decoder in(job.arguments);
    thunk(function, in);
  }
  return std::make_unique<managed::ObjectServer>(options_of(job));
}

// The manager's process. It serves until the line ends.
void serve_manager(ServerJob job, Connection line) {
  std::unique_ptr<managed::ObjectServer> server;
  try {
    server = start_server(job);
  } catch (...) {
    RemoteTrace trace = trace_of_current_exception();
    if (trace.worker.empty()) trace.worker = format("{} (pid {})", job.name, ::getpid());
    line.send(Started{{}, std::move(trace)});
    return;
  }
  line.send(Started{server->where(), std::nullopt});
  try {
    (void)line.receive();
  } catch (const Closed&) {
    // That was all there is to hear.
  }
  server->stop();
  // A call that doesn't end would hold up exit() for ever.
  if (!server->join(kEnding)) ::_exit(EXIT_SUCCESS);
}

std::string next_name() {
  static std::atomic<int> count{0};
  const int number = ++count;
  return parent_process() ? format("{}:Manager-{}", current_process().name(), number)
                          : format("Manager-{}", number);
}

}  // namespace

struct Manager::Link {
  std::mutex mutex;
  std::shared_ptr<managed::ManagerClient> client;
  uint32_t generation = fork_generation();
};

struct Manager::Server {
  Server(Process serving, Connection its_line)
      : process(std::move(serving)), line(std::move(its_line)) {}
  void end(const std::string& address);

  Process process;
  Connection line;
  const pid_t owner = ::getpid();
  bool ended = false;
};

void Manager::Server::end(const std::string& address) {
  if (std::exchange(ended, true)) return;
  line.close();
  const Deadline ending(kEnding + kGrace);
  Deadline stopped(kStopped);
  while (!process.join(std::min(ending.left(), kLook))) {
    if (!process.is_stopped()) stopped = Deadline(kStopped);
    if (stopped.passed()) process.kill();
    if (ending.passed()) break;
  }
  if (process.is_alive()) (void)children::stop(process, kGrace);
  // Who was killed leaves its socket.
  if (address.starts_with("ipc://")) ::unlink(socket_path(address).c_str());
}

Manager::Manager(std::shared_ptr<managed::ManagerClient> client)
    : where_(client->where()), link_(std::make_unique<Link>()) {
  link_->client = std::move(client);
}

Manager::Manager(const ManagerOptions& options, Call initializer)
    : link_(std::make_unique<Link>()) {
  if (!initializer.descriptors.empty())
    throw Invalid("a Manager's initializer takes no descriptors");
  ServerJob job;
  job.name = options.name.empty() ? next_name() : options.name;
  job.where = {options.address, options.connect.key, options.connect.plain_tcp,
               options.connect.transport, 0};
  job.max_message = options.max_message;
  job.transit = options.transit.count();
  job.remote_functions = options.remote_functions;
  for (const auto& [name, describe] : options.types)
    job.types.emplace_back(name, described_at(describe));
  if (initializer.function != nullptr) {
    job.initializer = managed::locate_function(initializer.function,
                                               reinterpret_cast<const void*>(initializer.thunk));
    job.arguments = std::move(initializer.arguments);
  }
  auto [mine, its] = Pipe();
  server_ = std::make_unique<Server>(
      Process(Options{.name = job.name, .daemon = true, .method = options.method}, &serve_manager,
              job, std::move(its)),
      std::move(mine));
  server_->process.start();
  Started started;
  try {
    started = server_->line.recv<Started>();
  } catch (const Closed&) {
    (void)server_->process.join(kEnding);
    throw Closed(format("{}: its process ended while it started{}", job.name,
                        server_->process.error() ? ": " + *server_->process.error() : ""));
  }
  if (started.failure) {
    server_->end({});
    std::rethrow_exception(exception_of(std::move(*started.failure)));
  }
  where_ = std::move(started.where);
  link_->client = managed::ManagerClient::of(where_);
}

Manager Manager::connect(const std::string& address, const ConnectOptions& options,
                         Millis timeout) {
  return Manager(managed::ManagerClient::of(
      {address, options.key, options.plain_tcp, options.transport, 0}, timeout));
}

Manager::Manager(Manager&&) noexcept = default;
Manager& Manager::operator=(Manager&& other) noexcept {
  Manager taken(std::move(other));  // then ends what stood here
  std::swap(where_, taken.where_);
  std::swap(link_, taken.link_);
  std::swap(server_, taken.server_);
  return *this;
}

Manager::~Manager() {
  if (server_ == nullptr) return;
  if (server_->owner != ::getpid()) {
    (void)server_.release();  // NOLINT(bugprone-unused-return-value): it is the parent's
    return;
  }
  try {
    shutdown();
  } catch (const Error&) {
    // It can't be ended; the kernel does that when this process ends.
  }
}

void Manager::shutdown() {
  if (server_ == nullptr || server_->owner != ::getpid())
    throw Invalid(format("shutdown: the manager at {} was not started by this object", address()));
  server_->end(where_.address);
}

std::shared_ptr<managed::ManagerClient> Manager::client() const {
  const std::lock_guard lock(link_->mutex);
  if (link_->generation != fork_generation()) {
    link_->client = managed::ManagerClient::of(where_);
    link_->generation = fork_generation();
  }
  return link_->client;
}

BarrierProxy Manager::barrier(int64_t parties, void (*action)()) {
  std::optional<CodeAddress> code;
  if (action != nullptr) code = locate_code(reinterpret_cast<const void*>(action));
  return make_served<BarrierProxy>(parties, code);
}

void Manager::publish(const std::string& name, const Proxy& object) {
  if (object.reference_->where().instance != where_.instance)
    throw Invalid(format("publish: \"{}\" is of another manager than {}", name, address()));
  ask<void>("publish", name, object.id());
}

std::shared_ptr<managed::Reference> Manager::find_published(const std::string& name,
                                                            std::string_view type) {
  const auto [object, found] = ask<std::pair<uint64_t, std::string>>("find", name);
  auto reference = adopt(object);
  if (!type.empty() && found != type)
    throw Invalid(format("what is published as \"{}\" is a {}, not a {}", name, found, type));
  return reference;
}

void Manager::fill(uint64_t list, int64_t size, const std::string& item) {
  if (size < 0) throw Invalid(format("array: a size of {}; 0 is the least", size));
  managed::Exchange exchange(client(), list, "fill", 2);
  encode(exchange.out(), static_cast<uint64_t>(size));
  exchange.out().raw(item);
  exchange.run().nil();
}

CodeAddress Manager::described_at(managed::Describe describe) {
  return locate_code(reinterpret_cast<const void*>(describe));
}

}  // namespace towpath
