#include "towpath/channel/queue_hub.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/handle.h"
#include "towpath/base/log.h"
#include "towpath/base/unique_fd.h"
#include "towpath/channel/hub_record.h"
#include "towpath/channel/queue_broker.h"
#include "towpath/channel/router.h"
#include "towpath/channel/wait.h"
#include "towpath/sync/holder.h"

namespace towpath {
namespace {

// What a dead client had sent is on its way for some microseconds.
constexpr Millis kLook{1};
constexpr Millis kLastWords{1'000};
constexpr size_t kLargeMessage = size_t{1} << 20;
// Messages that are dealt with before anybody is answered: who sends without end holds up nobody.
constexpr int kRound = 1'000;
constexpr size_t kRoundBytes = size_t{64} << 20;
constexpr size_t kHead = sizeof(uint64_t);  // of a message: how many the hub has dealt with

using Peer = QueueBroker::Peer;

struct OpenQueue;

struct Client {
  std::string identity;
  Peer number = 0;
  UniqueFd pidfd{};
  std::optional<Deadline> dying{};   // it has ended; what it sent is awaited so long
  std::vector<OpenQueue*> queues{};  // by its own number
  // Messages for it: the last may grow. A head is kept free, then there are records.
  std::vector<std::string> out{};
  uint64_t dealt_with = 0;  // messages
  bool answer_is_due = false;
  bool has_left = false;
  bool refused = false;

  void say(const HubRecord& record, std::string_view body = {}) {
    if (out.empty() ||
        (out.back().size() > kHead && out.back().size() + body.size() > kLargeMessage))
      out.emplace_back(kHead, '\0');
    if (body.size() > kLargeMessage) out.back().reserve(kHead + sizeof record + body.size());
    append_record(out.back(), record, body);
    answer_is_due = true;
  }
  std::vector<std::string> take_answers() {
    answer_is_due = false;
    if (out.empty()) out.emplace_back(kHead, '\0');
    for (std::string& message : out) std::memcpy(message.data(), &dealt_with, kHead);
    return std::exchange(out, {});
  }
};

// Finds the client behind a peer's number, and its number for a queue.
class Replies final : public QueueBroker::Port {
 public:
  void add(Client& client, uint32_t queue) { seats_[client.number] = {&client, queue}; }
  void remove(Peer peer) { seats_.erase(peer); }

  void items(Peer to, const ItemRun& run) override {
    say(to, {.op = HubOp::kItems, .number = run.count(), .other = run.first()}, run.bytes());
  }
  void nothing(Peer to, uint64_t token, const QueueBroker::Status& status) override {
    say(to, {.op = HubOp::kNothing, .token = token, .number = status.size, .flag = status.shut});
  }
  void room(Peer to, uint64_t count, uint64_t token) override {
    say(to, {.op = HubOp::kRoom, .token = token, .number = count});
  }
  void status(Peer to, uint64_t token, const QueueBroker::Status& status) override {
    say(to, {.op = HubOp::kStatus,
             .token = token,
             .number = status.size,
             .other = status.unfinished,
             .flag = status.shut});
  }
  void finished(Peer to, uint64_t token, bool one_was) override {
    say(to, {.op = HubOp::kFinished, .token = token, .number = one_was});
  }
  void give_back_items(Peer to) override { say(to, {.op = HubOp::kGiveBackItems}); }
  void give_back_room(Peer to) override { say(to, {.op = HubOp::kGiveBackRoom}); }
  void shut(Peer to) override { say(to, {.op = HubOp::kShut}); }
  void pause(Peer to, bool paused) override { say(to, {.op = HubOp::kPause, .number = paused}); }

 private:
  struct Seat {
    Client* client;
    uint32_t queue;
  };
  void say(Peer to, HubRecord record, std::string_view body = {}) {
    const auto& [client, queue] = seats_.at(to);
    record.queue = queue;
    client->say(record, body);
  }
  std::map<Peer, Seat> seats_;
};

struct OpenQueue {
  OpenQueue(std::string its_path, const QueueBroker::Options& options)
      : path(std::move(its_path)), broker(options, replies) {}
  const std::string path;  // of its file
  Replies replies;
  QueueBroker broker;
  bool is_touched = false;
};

}  // namespace

struct QueueHub::State {
  explicit State(const std::string& address) : router(address) {}

  Router router;
  Peer last_peer = 0;
  uint64_t unknown = 0;                                      // messages of nobody's
  std::map<std::string, std::unique_ptr<Client>> clients;    // by identity
  std::map<std::string, std::unique_ptr<OpenQueue>> queues;  // by handle
  std::vector<OpenQueue*> touched;

  void hear(Message message);
  void meet(const std::string& identity, std::string_view message);
  void obey(Client& client, const HubRecord& record, std::string_view body,
            const std::shared_ptr<const std::string>& memory);
  void join(Client& client, const HubRecord& record, std::string_view handle);
  OpenQueue& queue_of(Client& client, const HubRecord& record);
  void refuse(Client& client, const std::string& why);
  void leave_all(Client& client);
  void settle();
  void answer();
  void watch_dying();
  void sweep();
  bool hear_round();
  Millis rest() const;
};

// ── Clients ──

void QueueHub::State::meet(const std::string& identity, std::string_view message) {
  auto client = std::make_unique<Client>(Client{.identity = identity, .number = ++last_peer});
  const auto first = HubRecords(message).next();
  if (!first || first->record.op != HubOp::kHello)
    throw Invalid("a client that does not say hello");
  const Holder process = first->record.number;
  const auto pid = static_cast<pid_t>(number_of(process));
  client->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int error = client->pidfd ? 0 : errno;
  // Behind that: the number can have been given to another process. And one whose death the hub
  // could not know is not served: it goes like a dead one, once it has heard why.
  if (error != 0 || process_ended(process)) client->dying.emplace(kLastWords);
  Client& met = *clients.emplace(identity, std::move(client)).first->second;
  if (error != 0 && error != ESRCH) {
    refuse(met, format("no more processes can use it: pidfd_open({}): {}: raise the hard limit of "
                       "open files (ulimit -Hn), which it has reached with {} others",
                       pid, std::strerror(error), clients.size() - 1));
  }
}

void QueueHub::State::hear(Message message) {
  auto it = clients.find(message.from);
  try {
    if (it == clients.end()) {
      meet(message.from, message.bytes);
      it = clients.find(message.from);
    }
  } catch (const Invalid& error) {
    // Not each of a flood.
    if (std::has_single_bit(++unknown))
      log(Level::kError, format("hub: {} (such messages: {})", error.what(), unknown));
    return;
  }
  Client& client = *it->second;
  if (client.refused) return;
  ++client.dealt_with;
  client.answer_is_due = true;
  const auto memory = std::make_shared<const std::string>(std::move(message.bytes));
  try {
    HubRecords records(*memory);
    // Behind a goodbye there may be answers to what was said before it was heard.
    while (!client.has_left) {
      const auto read = records.next();
      if (!read) break;
      obey(client, read->record, read->body, memory);
    }
  } catch (const Invalid& error) {
    refuse(client, error.what());
  }
}

void QueueHub::State::refuse(Client& client, const std::string& why) {
  log(Level::kError, format("hub: {}: {}", client.identity, why));
  leave_all(client);
  client.refused = true;
  client.say({.op = HubOp::kRefused}, why);
}

void QueueHub::State::leave_all(Client& client) {
  client.queues.clear();
  for (auto& [handle, queue] : queues) {
    queue->broker.leave(client.number);
    queue->replies.remove(client.number);
    if (!queue->is_touched) touched.push_back(queue.get());
    queue->is_touched = true;
  }
}

// ── What clients say ──

OpenQueue& QueueHub::State::queue_of(Client& client, const HubRecord& record) {
  if (record.queue >= client.queues.size() || client.queues[record.queue] == nullptr)
    throw Invalid(format("a client has no queue {}", record.queue));
  OpenQueue& queue = *client.queues[record.queue];
  if (!queue.is_touched) touched.push_back(&queue);
  queue.is_touched = true;
  return queue;
}

void QueueHub::State::join(Client& client, const HubRecord& record, std::string_view handle) {
  if (record.queue > client.queues.size()) throw Invalid("a client leaves out a queue's number");
  const std::string path = Handle::parse(handle).path();
  auto& queue = queues[std::string(handle)];
  if (queue == nullptr) {
    queue = std::make_unique<OpenQueue>(
        path, QueueBroker::Options{.maxsize = record.number, .joinable = record.other != 0});
  }
  queue->replies.add(client, record.queue);
  queue->broker.join(client.number);
  client.queues.resize(std::max<size_t>(client.queues.size(), size_t{record.queue} + 1));
  client.queues[record.queue] = queue.get();
}

void QueueHub::State::obey(Client& client, const HubRecord& record, std::string_view body,
                           const std::shared_ptr<const std::string>& memory) {
  const Peer peer = client.number;
  switch (record.op) {
    case HubOp::kHello:
      return;
    case HubOp::kBye:
      leave_all(client);
      client.has_left = true;
      return;
    case HubOp::kJoin:
      return join(client, record, body);
    default:
      break;
  }
  QueueBroker& broker = queue_of(client, record).broker;
  switch (record.op) {
    case HubOp::kPart:
      broker.part(peer);
      client.queues[record.queue] = nullptr;
      return;
    case HubOp::kAskRoom:
      return broker.ask_room(peer, record.number, record.token);
    case HubOp::kRoomReturned:
      return broker.room_returned(peer, record.number);
    case HubOp::kPut:
      return broker.put(peer, ItemRun(memory, body, record.number, 0));
    case HubOp::kWant:
      return broker.want(peer, record.number, record.other, record.token);
    case HubOp::kGot:
      return broker.got(peer, record.number);
    case HubOp::kReturned:
      return broker.returned(peer, record.number);
    case HubOp::kDone:
      return broker.done(peer, record.number);
    case HubOp::kDoneAny:
      return broker.done_any(peer, record.token);
    case HubOp::kAskStatus:
      return broker.ask_status(peer, record.token, record.number);
    case HubOp::kShutDown:
      return broker.shut_down();
    default:
      throw Invalid(format("a client says {}", static_cast<uint32_t>(record.op)));
  }
}

// ── The loop ──

void QueueHub::State::settle() {
  bool some_may_end = false;
  for (OpenQueue* queue : std::exchange(touched, {})) {
    queue->is_touched = false;
    queue->broker.settle();
    some_may_end = some_may_end || !queue->broker.has_peers();
  }
  if (some_may_end) sweep();
}

// Queues that nobody has or can open.
void QueueHub::State::sweep() {
  std::erase_if(queues, [](const auto& it) {
    return !it.second->broker.has_peers() && ::access(it.second->path.c_str(), F_OK) != 0;
  });
}

void QueueHub::State::answer() {
  for (auto& [identity, client] : clients) {
    if (!client->answer_is_due) continue;
    // To one that died a moment ago it goes nowhere: its death is known soon.
    for (std::string& message : client->take_answers()) router.send(identity, std::move(message));
  }
}

// Those that have ended, once ZeroMQ has nothing more from them: it can send them nothing, then.
void QueueHub::State::watch_dying() {
  for (auto it = clients.begin(); it != clients.end();) {
    Client& client = *it->second;
    if (!client.dying && wait_readable(client.pidfd.get(), Millis{0}))
      client.dying.emplace(kLastWords);
    if (!client.dying ||
        (router.send(client.identity, std::string(kHead, '\0')) && !client.dying->passed())) {
      ++it;
      continue;
    }
    leave_all(client);
    it = clients.erase(it);
  }
}

// True: there may be more.
bool QueueHub::State::hear_round() {
  size_t bytes = 0;
  for (int i = 0; i < kRound && bytes < kRoundBytes; ++i) {
    auto message = router.receive();
    if (!message) return false;
    bytes += message->bytes.size();
    hear(std::move(*message));
  }
  return true;
}

// How long there is nothing to do but wait.
Millis QueueHub::State::rest() const {
  const bool some_die =
      std::ranges::any_of(clients, [](const auto& it) { return it.second->dying.has_value(); });
  return some_die ? kLook : kForever;
}

QueueHub::QueueHub(const std::string& address) : state_(std::make_unique<State>(address)) {}
QueueHub::~QueueHub() = default;

void QueueHub::run() {
  State& s = *state_;
  for (bool more = false;;) {
    std::vector<int> fds{s.router.fd()};
    for (const auto& [identity, client] : s.clients)
      fds.push_back(client->dying ? -1 : client->pidfd.get());
    const std::vector<size_t> ready = wait(std::span<const int>(fds), more ? Millis{0} : s.rest());
    more = s.hear_round();
    const bool some_ended = !ready.empty() && ready.back() > 0;
    if (some_ended || s.rest() != kForever) s.watch_dying();
    s.settle();
    s.answer();
  }
}

void serve_queues(const std::string& address, const std::function<void()>& ready) {
  // Two for each client; ZeroMQ aborts a process that has none left for a connection.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) throw_errno("getrlimit(RLIMIT_NOFILE)");
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) throw_errno("setrlimit(RLIMIT_NOFILE)");
  QueueHub hub(address);
  ready();
  hub.run();
}

}  // namespace towpath
