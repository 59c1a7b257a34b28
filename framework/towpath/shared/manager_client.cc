#include "towpath/shared/manager_client.h"

#include <algorithm>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/per_process.h"
#include "towpath/channel/listener.h"
#include "towpath/channel/shared_key.h"
#include "towpath/process/remote_error.h"

namespace towpath::managed {
namespace {

constexpr size_t kKeptBytes = size_t{1} << 20;  // of an encoder
constexpr size_t kIdleLines = 8;
constexpr size_t kDroppedAtOnce = 256;
constexpr Millis kAnswer{1'000};    // of a manager that may be dead
constexpr Millis kPatience{5'000};  // of a destructor, for room to say so

thread_local OutgoingReferences* innermost = nullptr;

void begin_request(Encoder& out, uint64_t object, std::string_view method, size_t arguments) {
  out.clear();
  out.array(4);
  out.unsigned_integer(object);
  out.string(method);
  out.array(arguments);
}

}  // namespace

Reply read_reply(Decoder& in, const std::string& manager) {
  in.array(2);
  const auto kind = decode<Reply>(in);
  if (kind == Reply::kThrew) {
    auto trace = decode<RemoteTrace>(in);
    if (trace.worker.empty()) trace.worker = manager;
    std::rethrow_exception(exception_of(std::move(trace)));
  }
  return kind;
}

// ── ManagerClient ──

// Those of this process, while somebody uses them.
struct ManagerClient::Clients {
  std::mutex mutex;
  std::map<uint64_t, std::weak_ptr<ManagerClient>> all;  // by instance, whatever its address

  static Clients& get() {
    static constinit PerProcess<Clients> it;
    return it.get();
  }
  std::shared_ptr<ManagerClient> find(uint64_t instance) {
    const std::lock_guard lock(mutex);
    const auto known = all.find(instance);
    return known == all.end() ? nullptr : usable(known->second);
  }
  // Another thread may have been faster.
  std::shared_ptr<ManagerClient> find_or_add(const std::shared_ptr<ManagerClient>& made) {
    const std::lock_guard lock(mutex);
    std::erase_if(all, [](const auto& each) { return each.second.expired(); });
    auto& place = all[made->where().instance];
    if (auto known = usable(place)) return known;
    place = made;
    return made;
  }
  static std::shared_ptr<ManagerClient> usable(const std::weak_ptr<ManagerClient>& known) {
    auto client = known.lock();
    return client == nullptr || client->ended_ ? nullptr : client;
  }
};

std::shared_ptr<ManagerClient> ManagerClient::of(const Where& where, Millis timeout) {
  Clients& clients = Clients::get();
  if (auto known = clients.find(where.instance)) return known;
  std::shared_ptr<ManagerClient> made(new ManagerClient(where));
  std::memcpy(&made->id_, random_bytes(sizeof made->id_).data(), sizeof made->id_);
  made->lease_ = made->connect(true, timeout);
  made->where_.instance = made->server_.instance;
  return clients.find_or_add(made);
}

ManagerClient::~ManagerClient() = default;

std::string ManagerClient::text() const {
  return format("{} (pid {}, {})", server_.name, server_.pid, where_.address);
}

void ManagerClient::throw_ended() const {
  throw Closed(
      format("{}: the manager was shut down, or has died, and its objects with it", text()));
}

void ManagerClient::throw_cut_off() {
  try {
    (void)connect(false, kAnswer);
  } catch (const Closed&) {
    throw_ended();
  } catch (const Timeout&) {
    throw_ended();
  } catch (const Error&) {
    // It answers, if only to say that it can't let this client in.
  }
  throw Error(
      format("{}: it lives, but has cut this call off: for want of memory or descriptors, or "
             "because what it got made no sense. Its log says which. The call may have been done",
             text()));
}

std::unique_ptr<ManagerClient::Line> ManagerClient::connect(bool lease, Millis timeout) {
  const Deadline deadline(timeout);
  ConnectOptions options;
  options.key = where_.key;
  options.plain_tcp = where_.plain_tcp;
  options.transport = where_.transport;
  auto line = std::make_unique<Line>();
  line->connection = Client(where_.address, options, deadline.left());
  line->connection.send(Hello{kVersion, id_, where_.instance, lease, program_stamp()},
                        deadline.left());
  try {
    Connection::Received reply = line->connection.receive(deadline.left());
    Decoder in(reply.bytes());
    read_reply(in, where_.address);
    auto welcome = decode<Welcome>(in);
    if (lease) server_ = std::move(welcome);  // before other threads know of this
  } catch (const Empty&) {
    throw Timeout(format("the manager at {} does not answer", where_.address));
  }
  return line;
}

std::unique_ptr<ManagerClient::Line> ManagerClient::borrow() {
  {
    const std::lock_guard lock(idle_mutex_);
    if (!idle_.empty()) {
      auto line = std::move(idle_.back());
      idle_.pop_back();
      return line;
    }
  }
  try {
    return connect(false, kForever);
  } catch (const AuthenticationError&) {
    throw;
  } catch (const Closed& error) {
    if (remote_of(error) != nullptr) throw;
    throw_ended();
  }
}

void ManagerClient::give_back(std::unique_ptr<Line> line) {
  if (line->encoder.bytes().size() > kKeptBytes) (void)line->encoder.take();
  const std::lock_guard lock(idle_mutex_);
  if (idle_.size() < kIdleLines) idle_.push_back(std::move(line));
}

std::shared_ptr<Reference> ManagerClient::take(uint64_t object) {
  const std::lock_guard lock(references_mutex_);
  if (const auto known = references_.find(object); known != references_.end()) {
    if (auto reference = known->second.lock()) return reference;
  }
  tell("take", object);
  return add_reference(object);
}

std::shared_ptr<Reference> ManagerClient::adopt(uint64_t object) {
  const std::lock_guard lock(references_mutex_);
  if (const auto known = references_.find(object); known != references_.end()) {
    if (auto reference = known->second.lock()) {
      drop(object);  // one is enough
      return reference;
    }
  }
  return add_reference(object);
}

std::shared_ptr<Reference> ManagerClient::add_reference(uint64_t object) {
  if (references_.size() >= swept_at_) {
    std::erase_if(references_, [](const auto& each) { return each.second.expired(); });
    swept_at_ = 64 + 2 * references_.size();
  }
  auto reference = std::make_shared<Reference>(shared_from_this(), object);
  references_.insert_or_assign(object, reference);
  return reference;
}

void ManagerClient::keep_for_transit(uint64_t object) { tell("keep", object); }

// A short one over the lease.
void ManagerClient::tell(std::string_view method, uint64_t object) {
  // Behind the lock, which this outlives: what others dropped while it was held.
  const struct SayDropped {
    ManagerClient& client;
    ~SayDropped() { client.say_dropped(); }
  } say_dropped_behind{*this};
  const std::lock_guard lock(lease_mutex_);
  if (ended_) throw_ended();
  try {
    begin_request(lease_->encoder, kManager, method, 1);
    lease_->encoder.unsigned_integer(object);
    lease_->encoder.array(0);
    lease_->connection.send_bytes(lease_->encoder.bytes());
    Connection::Received reply = lease_->connection.receive();
    Decoder in(reply.bytes());
    read_reply(in, text());
  } catch (const Closed& error) {
    if (remote_of(error) != nullptr) throw;
    ended_ = true;
    throw_ended();
  }
}

void ManagerClient::drop(uint64_t object) noexcept {
  {
    const std::lock_guard lock(dropped_mutex_);
    dropped_.push_back(object);
  }
  say_dropped();
}

// Whoever has the lease says it, also for those who come meanwhile. What finds no room is said with
// the next one.
void ManagerClient::say_dropped() {
  std::vector<uint64_t> dropped;
  for (;;) {
    {
      const std::lock_guard lock(dropped_mutex_);
      if (dropped_.empty()) return;
    }
    const std::unique_lock lease(lease_mutex_, std::try_to_lock);
    if (!lease || ended_) return;
    {
      const std::lock_guard lock(dropped_mutex_);
      const size_t first = dropped_.size() - std::min(dropped_.size(), kDroppedAtOnce);
      dropped.assign(dropped_.begin() + static_cast<ptrdiff_t>(first), dropped_.end());
      dropped_.resize(first);
    }
    try {
      begin_request(lease_->encoder, kManager, "drop", 1);
      encode(lease_->encoder, dropped);
      lease_->encoder.array(0);
      lease_->connection.send_bytes(lease_->encoder.bytes(), stuck_ ? Millis{0} : kPatience);
      stuck_ = false;
    } catch (const Full&) {
      stuck_ = true;
      const std::lock_guard lock(dropped_mutex_);
      dropped_.insert(dropped_.end(), dropped.begin(), dropped.end());
      return;
    } catch (const std::exception&) {
      ended_ = true;  // the manager has; all goes back with the lease
    }
  }
}

// ── Reference ──

Reference::Reference(std::shared_ptr<ManagerClient> client, uint64_t object)
    : where_(client->where()),
      object_(object),
      client_(std::move(client)),
      generation_(fork_generation()) {}

Reference::~Reference() {
  if (generation_ == fork_generation()) client_->drop(object_);
}

std::shared_ptr<ManagerClient> Reference::client() const {
  const std::lock_guard lock(mutex_);
  if (generation_ != fork_generation()) {
    auto own = ManagerClient::of(where_);
    own->tell("take", object_);
    client_ = std::move(own);
    generation_ = fork_generation();
  }
  return client_;
}

// ── Exchange ──

OutgoingReferences::OutgoingReferences(const Encoder& encoder, uint64_t instance)
    : encoder_(encoder), instance_(instance), outer_(std::exchange(innermost, this)) {}
OutgoingReferences::~OutgoingReferences() { innermost = outer_; }

bool OutgoingReferences::note(const Encoder& encoder, uint64_t instance, uint64_t object) {
  for (OutgoingReferences* each = innermost; each != nullptr; each = each->outer_) {
    if (&each->encoder_ != &encoder || each->instance_ != instance) continue;
    each->held_.push_back({encoder.bytes().size(), object});
    return true;
  }
  return false;
}

Exchange::Exchange(std::shared_ptr<ManagerClient> client, uint64_t object, std::string_view method,
                   size_t arguments)
    : client_(std::move(client)),
      line_(client_->borrow()),
      outgoing_(line_->encoder, client_->where().instance) {
  begin_request(line_->encoder, object, method, arguments);
}

Exchange::~Exchange() {
  say(false);
  reply_.reset();
  if (line_ != nullptr) client_->give_back(std::move(line_));
}

void Exchange::say(bool taken) {
  if (!std::exchange(is_asked_, false)) return;
  try {
    line_->connection.send(taken);
  } catch (const Error&) {
    // It has died behind its answer.
  }
}

Decoder& Exchange::run() {
  Connection& connection = line_->connection;
  encode(line_->encoder, outgoing_.held());
  if (const uint64_t most = client_->server().max_message; line_->encoder.bytes().size() > most) {
    throw Invalid(format("a request of {} bytes to {}; its ManagerOptions.max_message is {}",
                         line_->encoder.bytes().size(), client_->text(), most));
  }
  try {
    connection.send_bytes(line_->encoder.bytes());
    reply_.emplace(connection.receive());
    result_.emplace(reply_->bytes());
  } catch (const Invalid&) {  // too large a message: nothing was sent
    throw;
  } catch (...) {
    const std::unique_ptr<ManagerClient::Line> lost = std::move(line_);
    try {
      throw;
    } catch (const Closed&) {
      client_->throw_cut_off();
    }
  }
  try {
    is_asked_ = read_reply(*result_, client_->text()) == Reply::kReturnedIfTaken;
  } catch (const SystemError&) {
    // Where that is of the connection the manager ends it.
    reply_.reset();
    line_.reset();
    throw;
  }
  return *result_;
}

}  // namespace towpath::managed
