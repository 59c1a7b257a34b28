#include "towpath/shared/object_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/make_thread.h"
#include "towpath/channel/shared_key.h"
#include "towpath/channel/wait.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/throw_trace.h"
#include "towpath/shared/served_containers.h"
#include "towpath/shared/served_sync.h"

namespace towpath::managed {
namespace {

constexpr Millis kSweeping{1'000};
constexpr Millis kGreeting{10'000};
constexpr size_t kMostSilent = 128;       // connections of which nobody knows whose they are
constexpr uint64_t kLeastMessage = 4096;  // a greeting has room in it

struct Request {
  uint64_t object = 0;
  std::string_view method;
  std::string_view arguments;  // an array
  std::vector<Held> held;
};

Request parse(std::string_view message) {
  Decoder in(message);
  in.array(4);
  Request request;
  request.object = in.unsigned_integer();
  request.method = in.string();
  request.arguments = in.raw();
  request.held = decode<std::vector<Held>>(in);
  if (!in.at_end()) throw Invalid(format("{} bytes follow a request", in.rest().size()));
  uint64_t from = static_cast<uint64_t>(request.arguments.data() - message.data());
  const uint64_t end = from + request.arguments.size();
  for (const Held& each : request.held) {
    if (each.at < from || each.at >= end)
      throw Invalid(format("object {} is named outside of the arguments", each.object));
    from = each.at;  // in order
  }
  return request;
}

std::string reply_of(Reply kind, std::string_view value) {
  Encoder out;
  out.array(2);
  encode(out, kind);
  out.raw(value);
  return out.take();
}

ConnectOptions listening(const ObjectServer::Options& options) {
  ConnectOptions it = options.connect;
  it.max_message = std::max(options.max_message, kLeastMessage);
  return it;
}

}  // namespace

// One connection, in its thread.
class ObjectServer::Line final : public Caller {
 public:
  Line(ObjectServer& server, Connection connection)
      : server_(server), connection_(std::move(connection)) {}

  void run() {
    try {
      greet();
      const RecordThrows record;
      while (serve_one()) {
      }
    } catch (const CallerGone&) {
      // It has ended while it waited.
    } catch (const Closed&) {
      // It has ended, or was cut off.
    } catch (const std::exception& error) {
      if (!server_.stopping() && !connection_.closed())
        log(Level::kWarning,
            format("{}: a client was cut off: {}", server_.options_.name, error.what()));
    }
    connection_.close();
    if (lease_) server_.objects_.leave(*process_);
  }
  void cut_off() { connection_.close(); }
  // In a handler: it can't be served, and is told why.
  void turn_away() noexcept {
    try {
      reply_error();
    } catch (const std::exception&) {
      // It has ended, or there is no memory even for that.
    }
  }
  bool greeted() const { return greeted_; }

  const ClientProcess& client() const override { return *process_; }
  bool gone() override {
    try {
      // It says nothing before it has its answer: what comes is its end.
      return process_->left || connection_.poll();
    } catch (const Error&) {
      return true;
    }
  }
  void require_functions() const override {
    const Where& where = server_.where_;
    const bool own_program =
        !where.address.starts_with("tcp://") || (where.key.empty() && !where.plain_tcp);
    if (own_program || server_.options_.remote_functions) return;
    throw Unsupported(format(
        "{}: functions don't travel to a manager that other programs may use over TCP: expose a "
        "method for it, or set ManagerOptions.remote_functions where all clients are trusted",
        server_.options_.name));
  }
  std::shared_ptr<Referent> find(uint64_t object) const override {
    return server_.objects_.find(object);
  }
  void keep_for_transit(const std::shared_ptr<Referent>& object) const override {
    server_.objects_.keep_for_transit(object);
  }
  void give_object(Encoder& out, const std::shared_ptr<Referent>& object) const override {
    const std::shared_ptr<Referent> added = server_.objects_.add(object);
    server_.objects_.keep_for_transit(added);
    encode(out, name_of(server_.where_, added->id(), added->type().name));
  }
  uint64_t instance() const override { return server_.where_.instance; }

 private:
  void greet() {
    try {
      const auto hello = connection_.recv<Hello>(kGreeting);
      if (hello.version != kVersion) {
        throw Unsupported(
            format("{} is of another version of Towpath (its managers speak version {}, the client "
                   "{}): run the same on both sides",
                   server_.options_.name, kVersion, hello.version));
      }
      same_program_ = !hello.program.empty() && hello.program == program_stamp();
      if (hello.instance != 0 && hello.instance != instance()) {
        throw Closed(format("the manager that was at {} has ended; another one is there",
                            server_.where_.address));
      }
      process_ = hello.lease ? server_.objects_.enter(hello.client)
                             : server_.objects_.find_client(hello.client);
      lease_ = hello.lease;
    } catch (const Empty&) {
      throw Closed("a client that says nothing");
    } catch (const Error&) {
      reply_error();
      throw;
    }
    greeted_ = true;
    connection_.send_bytes(
        reply_of(Reply::kReturned, to_bytes(Welcome{instance(), server_.options_.name, ::getpid(),
                                                    server_.options_.max_message})));
  }

  void reply_error() {
    RemoteTrace trace = trace_of_error();
    if (trace.worker.empty())
      trace.worker = format("{} (pid {})", server_.options_.name, ::getpid());
    if (!same_program_) show_frames(trace);
    connection_.send_bytes(reply_of(Reply::kThrew, to_bytes(trace)));
  }

  // A lack of memory with its way out.
  RemoteTrace trace_of_error() const {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      try {
        throw SystemError(format("{}: no memory for the call", server_.options_.name), ENOMEM);
      } catch (...) {
        return trace_of_current_exception();
      }
    } catch (...) {
      return trace_of_current_exception();
    }
  }

  // False: it has ended.
  bool serve_one() {
    std::string message;
    Request request;
    std::shared_ptr<Referent> object;  // stays until the result is delivered
    std::optional<Invocation> call;
    try {
      // Copied, because nobody learns of the client's end while it lies where it came.
      message = connection_.recv_bytes();
    } catch (const EndOfStream&) {
      return false;
    } catch (const std::bad_alloc&) {  // this one is lost, and no other
      reply_error();
      return true;
    }
    try {
      request = parse(message);
      call.emplace(message, request.arguments, request.held, *this);
      if (request.object == kManager) {
        server_.call_manager(request.method, *call, *this);
      } else {
        object = server_.objects_.find(request.object);
        object->call(request.method, *call);
      }
      call->require_end();
    } catch (const CallerGone&) {
      throw;
    } catch (...) {
      reply_error();
      return true;
    }
    if (!call->out.bytes().empty()) deliver(*call);  // "drop" has no result
    return true;
  }

  void deliver(Invocation& call) {
    const Reply kind = call.not_taken ? Reply::kReturnedIfTaken : Reply::kReturned;
    try {
      connection_.send_bytes(reply_of(kind, call.out.bytes()));
    } catch (const Invalid&) {
      return reply_error();  // it is too large: nothing was sent
    } catch (const SystemError&) {
      return reply_error();  // there is no memory for it: the same
    } catch (const std::bad_alloc&) {
      return reply_error();
    }
    if (kind == Reply::kReturnedIfTaken && connection_.recv<bool>()) call.not_taken = nullptr;
  }

  ObjectServer& server_;
  Connection connection_;
  std::shared_ptr<ClientProcess> process_;
  bool lease_ = false;
  bool same_program_ = false;
  std::atomic<bool> greeted_ = false;
};

ObjectServer::ObjectServer(Options options)
    : options_(std::move(options)),
      objects_(options_.transit),
      listener_(options_.address, listening(options_)) {
  where_.address = listener_.address();
  where_.key = options_.connect.key;
  where_.plain_tcp = options_.connect.plain_tcp;
  where_.transport = options_.connect.transport;
  while (where_.instance == 0)
    std::memcpy(&where_.instance, random_bytes(sizeof where_.instance).data(),
                sizeof where_.instance);
  accepting_ = make_thread(options_.name, [this] { accept_all(); });
}

ObjectServer::~ObjectServer() {
  stop();
  accepting_.join();
  join(kForever);
}

void ObjectServer::stop() {
  std::vector<std::shared_ptr<Line>> lines;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    for (const auto& [line, thread] : lines_) lines.push_back(line);
  }
  ended_.notify_all();
  listener_.close();
  for (const auto& line : lines) line->cut_off();
}

bool ObjectServer::join(Millis timeout) {
  std::unique_lock lock(mutex_);
  if (!Deadline(timeout).wait(ended_, lock, [this] { return stopping_ && lines_.empty(); }))
    return false;
  // They have done all but end.
  for (std::thread& each : ended_threads_) each.join();
  ended_threads_.clear();
  return true;
}

bool ObjectServer::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void ObjectServer::accept_all() {
  for (;;) {
    try {
      start(listener_.accept(kSweeping));
    } catch (const Timeout&) {
      // Nobody came.
    } catch (const Closed&) {
      return;
    } catch (const std::exception& error) {
      log(Level::kWarning,
          format("{}: no client can connect now: {}", options_.name, error.what()));
      (void)wait_readable(-1, Millis{100});
    }
    objects_.sweep();
  }
}

void ObjectServer::start(Connection connection) {
  const auto line = std::make_shared<Line>(*this, std::move(connection));
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  for (std::thread& each : ended_threads_) each.join();
  ended_threads_.clear();
  make_room();
  newcomers_.push_back(line);
  auto& thread = lines_[line];
  try {
    thread = make_thread(options_.name, [this, line] {
      line->run();
      const std::lock_guard end(mutex_);
      ended_threads_.push_back(std::move(lines_.at(line)));
      lines_.erase(line);
      ended_.notify_all();
    });
  } catch (const SystemError&) {
    lines_.erase(line);
    line->turn_away();
    throw;
  }
}

// Anybody may come to a plain TCP port and say nothing: who has been silent longest goes.
void ObjectServer::make_room() {
  std::erase_if(newcomers_, [](const std::weak_ptr<Line>& each) {
    const auto line = each.lock();
    return line == nullptr || line->greeted();
  });
  if (newcomers_.size() < kMostSilent) return;
  if (const auto oldest = newcomers_.front().lock()) oldest->cut_off();
  newcomers_.pop_front();
}

const ObjectType& ObjectServer::type(const std::string& name) {
  for (const ObjectType* type :
       {&dict_type(), &set_type(), &list_type(), &value_type(), &queue_type(), &lock_type(),
        &rlock_type(), &semaphore_type(), &event_type(), &condition_type(), &barrier_type()}) {
    if (type->name == name) return *type;
  }
  std::string all;
  for (const auto& [each, describe] : options_.types) {
    if (each == name) return describe();
    all += (all.empty() ? "" : ", ") + each;
  }
  throw Invalid(format("{} has no type \"{}\"; ManagerOptions.types has {}", options_.name, name,
                       all.empty() ? "none" : all));
}

void ObjectServer::call_manager(std::string_view method, Invocation& call, const Line& line) {
  const ClientProcess& client = line.client();
  const auto make = [&](const ObjectType& type) {
    if (!type.make) throw Invalid(format("{} exposes no constructor", type.name));
    const std::shared_ptr<Referent> made = objects_.add(type.make(call));
    objects_.take(made, client);
    call.out.unsigned_integer(made->id());
  };
  if (method == "take") {
    objects_.take(objects_.find(call.take<uint64_t>()), client);
    call.out.nil();
  } else if (method == "drop") {
    for (const uint64_t object : call.take<std::vector<uint64_t>>()) objects_.drop(object, client);
  } else if (method == "keep") {
    objects_.keep_for_transit(objects_.find(call.take<uint64_t>()));
    call.out.nil();
  } else if (method == "make") {
    make(type(call.take<std::string>()));
  } else if (method == "make_described") {
    line.require_functions();
    make(reinterpret_cast<Describe>(resolve_code(call.take<CodeAddress>()))());
  } else if (method == "publish") {
    const auto name = call.take<std::string>();
    objects_.publish(name, objects_.find(call.take<uint64_t>()));
    call.out.nil();
  } else if (method == "unpublish") {
    call.out.boolean(objects_.unpublish(call.take<std::string>()));
  } else if (method == "find") {
    const std::shared_ptr<Referent> found = objects_.published(call.take<std::string>());
    objects_.take(found, client);
    call.out.array(2);
    call.out.unsigned_integer(found->id());
    call.out.string(found->type().name);
  } else if (method == "objects") {
    call.out.unsigned_integer(objects_.size());
  } else {
    throw Invalid(format("a manager has no \"{}\"", method.substr(0, 100)));
  }
}

}  // namespace towpath::managed
