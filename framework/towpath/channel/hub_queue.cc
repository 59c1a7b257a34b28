#include "towpath/channel/hub_queue.h"

#include <algorithm>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/per_process.h"
#include "towpath/channel/queue_broker.h"

namespace towpath {
namespace {

constexpr const char* kKind = "hub_queue";
constexpr uint64_t kMaxAhead = 8192;
constexpr uint64_t kMaxRoomAhead = 64;
constexpr size_t kCopied = 4096;  // larger items are read where they lie
// For answers to calls that don't wait: the hub's own time, and that of a process that is asked
// back what it has. It passes only when one of them is stopped.
constexpr Millis kAnswerTime{10'000};

}  // namespace

// All zero but for the first two.
struct HubQueue::Shared {
  uint64_t maxsize;
  uint64_t joinable;
  std::atomic<uint64_t> hub;  // which one its items are with; 0: none yet
};

// ── Making ──

HubQueue::HubQueue(SessionFile file)
    : file_(std::move(file)),
      shared_(file_.as<Shared>()),
      maxsize_(shared_.maxsize),
      joinable_(shared_.joinable != 0) {}

std::unique_ptr<QueueCore> HubQueue::create(const Options& options) {
  SessionFile file = SessionFile::create(kKind, sizeof(Shared));
  file.as<Shared>().maxsize = options.maxsize;
  file.as<Shared>().joinable = options.joinable ? 1 : 0;
  return std::unique_ptr<QueueCore>(new HubQueue(std::move(file)));
}

std::unique_ptr<QueueCore> HubQueue::open(const Handle& handle) {
  return std::unique_ptr<QueueCore>(new HubQueue(SessionFile::open(kKind, handle)));
}

bool HubQueue::is_one(const Handle& handle) {
  return handle.name.starts_with(std::string(kKind) + "-");
}

HubQueue::~HubQueue() {
  if (opened_ == nullptr || generation_ != fork_generation()) return;
  const std::lock_guard lock(client_->mutex());
  try {
    if (!client_->ended()) say({.op = HubOp::kPart});
  } catch (const std::exception&) {
    // Out of memory: the hub deals with it at this process's end.
  }
  client_->remove(number_);
}

// ZeroMQ starts here, and with it threads.
void HubQueue::open_client() {
  const std::lock_guard lock(opening_);
  if (opened_ != nullptr) return;
  uint64_t hub = shared_.hub;
  std::shared_ptr<HubClient> client;
  try {
    client = hub_client(hub);
    // Another process may have been first, and with another hub.
    if (hub == 0 && !shared_.hub.compare_exchange_strong(hub, client->number()))
      client = hub_client(hub);
  } catch (const Closed& error) {
    throw Closed(format("{}: {}", name(), error.what()));
  }
  client_ = std::move(client);
  generation_ = fork_generation();
  const Lock entered(client_->mutex());
  number_ = client_->add(*this);
  say({.op = HubOp::kJoin, .number = maxsize_, .other = joinable_ ? 1U : 0U}, handle().text());
  opened_ = client_.get();
}

// ── Talking with the hub ──

HubQueue::Lock HubQueue::enter(const char* what) {
  HubClient* client = opened_.load(std::memory_order_acquire);
  if (client == nullptr) {
    open_client();
    client = opened_;
  }
  if (generation_ != fork_generation()) {
    throw Invalid(
        format("{}: {}: its connection to the hub is the parent's, which forked after it "
               "had used it: fork before, or start the process with towpath::Process",
               what, name()));
  }
  Lock lock(client->mutex());
  if (client->ended()) client->throw_ended(what, name());
  return lock;
}

// What was got is reported before anything else is said.
void HubQueue::say(HubRecord record, std::string_view body) {
  report();
  record.queue = number_;
  client_->say(record, body);
}

void HubQueue::report() {
  if (got_ == 0) return;
  client_->say({.op = HubOp::kGot, .queue = number_, .number = std::exchange(got_, 0)});
}

void HubQueue::wake() {
  if (client_->ended()) set_readable(true);  // who watches learns of it by the next call
  changed_.notify_all();
}

// False: the time has passed.
bool HubQueue::sleep(Lock& lock, const char* what, const Deadline& deadline) {
  const bool in_time = deadline.wait(changed_, lock);
  if (client_->ended()) client_->throw_ended(what, name());
  return in_time;
}

// The answer; none came in time.
std::optional<HubRecord> HubQueue::ask(Lock& lock, HubRecord question, const char* what,
                                       const Deadline& deadline) {
  question.token = ++last_token_;
  const auto place = answers_.emplace(question.token, std::nullopt).first;
  struct Forget {
    decltype(answers_)& answers;
    decltype(answers_)::iterator place;
    ~Forget() { answers.erase(place); }
  } const forget{answers_, place};
  say(question);
  while (!place->second && sleep(lock, what, deadline)) {
  }
  return place->second;
}

// For calls that don't wait.
HubRecord HubQueue::ask_at_once(Lock& lock, const HubRecord& question, const char* what) {
  if (const auto answer = ask(lock, question, what, Deadline(kAnswerTime))) return *answer;
  throw Timeout(format("{}: {}: the hub (pid {}) has not answered in {} s: is it stopped?", what,
                       name(), client_->pid(), kAnswerTime / std::chrono::seconds(1)));
}

void HubQueue::hear(const HubRecord& record, std::string_view body,
                    const std::shared_ptr<const std::string>& message) {
  switch (record.op) {
    case HubOp::kItems:
      items_.push_back(ItemRun(message, body, record.number, record.other));
      wanted_ -= std::min(wanted_, record.number);
      set_readable(true);
      break;
    case HubOp::kRoom:
      room_ += record.number;
      if (record.token == 0) room_asked_ = false;
      break;
    case HubOp::kNothing:
      if (record.token != 0) break;
      ++ends_;
      told_getters_ = 0;
      break;
    case HubOp::kStatus:
      if (record.token != 0) break;
      ++tells_;
      set_readable(!items_.empty() || record.number > 0 || record.flag != 0);
      break;
    case HubOp::kFinished:
      break;
    case HubOp::kGiveBackItems:
      return give_back_items();
    case HubOp::kGiveBackRoom:
      return give_back_room();
    case HubOp::kShut:
      is_shut_ = true;
      set_readable(true);
      break;
    case HubOp::kPause:
      is_paused_ = record.number != 0;
      break;
    default:
      throw Invalid(format("the hub says {}", static_cast<uint32_t>(record.op)));
  }
  const auto asked = answers_.find(record.token);
  if (record.token != 0 && asked != answers_.end()) asked->second = record;
  changed_.notify_all();
}

// ── Putting ──

void HubQueue::put(std::string_view bytes, Millis timeout) {
  if (bytes.size() > kMaxHubItem) {
    throw NotSerialisable(format("put: {}: an item of {} bytes; over ZeroMQ {} is the most", name(),
                                 bytes.size(), kMaxHubItem));
  }
  Lock lock = enter("put");
  const bool may = !is_shut_ && !is_paused_ && client_->has_room() && (maxsize_ == 0 || room_ > 0);
  if (!may) await_room(lock, timeout);
  if (maxsize_ != 0) --room_;
  client_->put(number_, bytes);
  if (!readable_ || is_readable_) return;
  set_readable(true);  // unless another gets it at once
  say({.op = HubOp::kAskStatus, .number = QueueBroker::kWhenSomething});
}

void HubQueue::await_room(Lock& lock, Millis timeout) {
  struct Waiting {
    uint64_t& threads;
    explicit Waiting(uint64_t& it) : threads(it) { ++threads; }
    ~Waiting() { --threads; }
  } const waiting(putters_);
  const Deadline deadline(timeout);
  // The hub takes what is on its way in no time; that is not the queue's being full.
  const Deadline patience(std::max(timeout, kAnswerTime));
  for (;;) {
    if (is_shut_) throw Closed(format("put: {} was shut down: it takes nothing more", name()));
    const char* reason = "it is full";
    bool late = false;
    if (is_paused_) {
      reason = "its items take all the memory that a queue may have";
      late = !sleep(lock, "put", deadline);
    } else if (!client_->has_room()) {
      reason = "the hub does not answer";
      late = !sleep(lock, "put", patience);
    } else if (maxsize_ != 0 && room_ == 0) {
      late = !take_room(lock, timeout, deadline);
    } else {
      return;
    }
    if (!late || is_shut_) continue;
    throw Full(format("put: {}: {}, and no getter made room in time (maxsize {})", name(), reason,
                      maxsize_));
  }
}

// Asks for room, and waits for it. False: there was none in time.
bool HubQueue::take_room(Lock& lock, Millis timeout, const Deadline& deadline) {
  const HubRecord question{.op = HubOp::kAskRoom, .number = std::max(room_ahead_, putters_)};
  room_ahead_ = std::min(room_ahead_ * 2, kMaxRoomAhead);
  if (timeout <= Millis{0}) {
    ask(lock, question, "put", Deadline(kAnswerTime));
    return room_ > 0;
  }
  if (!room_asked_) say(question);
  room_asked_ = true;
  return sleep(lock, "put", deadline) || room_ > 0;
}

void HubQueue::give_back_room() {
  const uint64_t kept = std::min(room_, putters_);
  say({.op = HubOp::kRoomReturned, .number = room_ - kept});
  room_ = kept;
  room_ahead_ = 1;
}

// ── Getting ──

void HubQueue::want(uint64_t count, uint64_t waiting) {
  wanted_ = count;
  told_getters_ = waiting;
  say({.op = HubOp::kWant, .number = count, .other = waiting});
}

QueueCore::Item HubQueue::get(Millis timeout) {
  Lock lock = enter("get");
  if (items_.empty()) await_item(lock, timeout);
  return take();
}

void HubQueue::await_item(Lock& lock, Millis timeout) {
  struct Waiting {
    uint64_t& threads;
    explicit Waiting(uint64_t& it) : threads(it) { ++threads; }
    ~Waiting() { --threads; }
  };
  const Waiting waiting(getters_);
  if (timeout <= Millis{0}) {
    told_getters_ = getters_ - 1;
    const auto answer = ask(lock, {.op = HubOp::kWant, .number = 1, .other = told_getters_}, "get",
                            Deadline(kAnswerTime));
    if (!items_.empty()) return;
    // As the hub said it in one: what this process knows by now may be of another moment.
    if (answer && answer->flag != 0 && answer->number == 0)
      throw EndOfStream(format("get: {} was shut down, and is empty", name()));
    throw Empty(format("get: nothing is in {}", name()));
  }
  const Deadline deadline(timeout);
  // What it had wanted was too little.
  if (std::exchange(has_taken_, false)) ahead_ = std::min(ahead_ * 2, kMaxAhead);
  for (bool in_time = true;;) {
    if (!in_time) {
      // So that what comes is not sent to where nobody waits.
      want(0, getters_ - 1);
      throw Empty(format("get: nothing came into {} in time", name()));
    }
    // Another thread may have taken what was sent for this one.
    if (told_getters_ < getters_) want(std::max(ahead_, getters_), getters_);
    const uint64_t ends = ends_;
    in_time = sleep(lock, "get", deadline);
    if (!items_.empty()) return;
    if (ends != ends_) throw EndOfStream(format("get: {} was shut down, and is empty", name()));
  }
}

QueueCore::Item HubQueue::take() {
  Item item;
  const ItemRun& run = items_.front();
  const std::string_view bytes = run.front();
  if (bytes.size() <= kCopied) {
    item.small().assign(bytes);
  } else {
    item.lie_in(run.memory(), bytes);
  }
  if (joinable_) held_.add(run.first());
  items_.drop_front();
  has_taken_ = true;
  ++got_;
  told_getters_ -= std::min<uint64_t>(told_getters_, 1);
  if (!has_news_) client_->has_news(*this, has_news_);
  if (items_.count() < ahead_ / 2 && wanted_ == 0) want(ahead_, getters_);
  if (items_.empty()) watch_again();
  return item;
}

// Others wait for what nobody waits for here.
void HubQueue::give_back_items() {
  report();
  const ItemRuns rest = items_.take_behind(getters_);
  say({.op = HubOp::kReturned, .number = rest.count()});
  ahead_ = 1;
  has_taken_ = false;
  wanted_ = getters_;
  if (items_.empty()) watch_again();
}

bool HubQueue::poll(Millis timeout) {
  Lock lock = enter("poll");
  const Deadline deadline(timeout), patience(std::max(timeout, kAnswerTime));
  for (;;) {
    if (!items_.empty()) return true;
    const uint64_t tells = tells_;
    const auto status = ask(lock, {.op = HubOp::kAskStatus, .number = QueueBroker::kWhenSomething},
                            "poll", patience);
    if (!status) return !items_.empty();
    if (status->number > 0 || status->flag != 0) return true;
    while (tells == tells_ && items_.empty()) {
      if (!sleep(lock, "poll", deadline)) return !items_.empty();
    }
  }
}

// ── A descriptor to watch ──

// The hub says it when there is something (again).
void HubQueue::watch_again() {
  if (!readable_ || is_shut_) return;
  set_readable(false);
  say({.op = HubOp::kAskStatus, .number = QueueBroker::kWhenSomething});
}

void HubQueue::set_readable(bool readable) {
  if (!readable_ || is_readable_ == readable) return;
  is_readable_ = readable;
  if (readable) {
    readable_.signal();
  } else {
    readable_.clear();
  }
}

int HubQueue::fileno() {
  Lock lock = enter("fileno");
  if (readable_) return readable_.get();
  WakeFd event = WakeFd::create();
  const HubRecord status =
      ask_at_once(lock, {.op = HubOp::kAskStatus, .number = QueueBroker::kWhenSomething}, "fileno");
  if (!readable_) readable_ = std::move(event);
  set_readable(!items_.empty() || status.number > 0 || status.flag != 0);
  return readable_.get();
}

// ── The rest ──

uint64_t HubQueue::size() {
  Lock lock = enter("qsize");
  return ask_at_once(lock, {.op = HubOp::kAskStatus}, "qsize").number;
}

bool HubQueue::flush(Millis timeout) {
  if (opened_ == nullptr) return true;
  Lock lock = enter("flush");
  return ask(lock, {.op = HubOp::kAskStatus}, "flush", Deadline(timeout)).has_value();
}

void HubQueue::shut_down() {
  Lock lock = enter("shutdown");
  is_shut_ = true;
  say({.op = HubOp::kShutDown});
  set_readable(true);
  changed_.notify_all();
}

void HubQueue::task_done() {
  Lock lock = enter("task_done");
  if (const auto number = held_.take()) return say({.op = HubOp::kDone, .number = *number});
  if (ask_at_once(lock, {.op = HubOp::kDoneAny}, "task_done").number == 0) {
    throw Invalid(format(
        "task_done: {}: called more often than items were got from it and not done", name()));
  }
}

bool HubQueue::join(Millis timeout) {
  Lock lock = enter("join");
  const Deadline deadline(timeout), patience(std::max(timeout, kAnswerTime));
  for (;;) {
    const uint64_t tells = tells_;
    const auto status = ask(lock, {.op = HubOp::kAskStatus, .number = QueueBroker::kWhenFinished},
                            "join", patience);
    if (!status) return false;
    if (status->other == 0) return true;
    while (tells == tells_) {
      if (!sleep(lock, "join", deadline)) return false;
    }
  }
}

}  // namespace towpath
