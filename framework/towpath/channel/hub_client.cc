#include "towpath/channel/hub_client.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/make_thread.h"
#include "towpath/base/per_process.h"
#include "towpath/base/signal_mask.h"
#include "towpath/channel/item_run.h"
#include "towpath/sync/holder.h"

namespace towpath {
namespace {

constexpr Millis kLastWords{10'000};

std::string new_identity() {
  static std::atomic<uint64_t> count{0};
  return format("{}-{:x}-{}", ::getpid(), this_process() >> 32, ++count);
}

}  // namespace

HubClient::HubClient(const HubPlace& place)
    : place_(place),
      owner_(::getpid()),
      pidfd_(place.open_pidfd()),
      dealer_(std::make_unique<Dealer>(place.address(), new_identity(), pidfd_.get())) {
  dealer_->forget_rest_at_end();  // finish() waits for the hub's answers
  say({.op = HubOp::kHello, .number = this_process()});
  const SignalsBlocked blocked;
  thread_ = make_thread("a queue of the hub", [this] {
    try {
      run();
    } catch (const Closed&) {
      end(format("the hub (pid {}) that held it has ended, and all that was in it is lost",
                 place_.pid()));
    } catch (const std::exception& error) {
      end(error.what());
    }
  });
}

HubClient::~HubClient() {
  if (owner_ != ::getpid()) {
    // In a child of fork: the thread and the socket are the parent's.
    thread_.detach();
    [[maybe_unused]] const Dealer* parents = dealer_.release();
    return;
  }
  stop();
}

// ── The users' side ──

void HubClient::throw_ended(const char* what, std::string_view queue) const {
  throw Closed(format("{}: {}: {}", what, queue, end_));
}

uint32_t HubClient::add(User& user) {
  users_.push_back(&user);
  return static_cast<uint32_t>(users_.size() - 1);
}

void HubClient::remove(uint32_t queue) {
  std::erase_if(news_, [user = users_[queue]](const auto& it) { return it.first == user; });
  users_[queue] = nullptr;
}

void HubClient::say(const HubRecord& record, std::string_view body) {
  const size_t before = outbox_.size();
  append_record(outbox_, record, body);
  on_its_way_ += outbox_.size() - before;
  open_put_.reset();
  is_urgent_ = true;
  wake_thread();
}

void HubClient::has_news(User& user, bool& has) {
  if (!has) news_.emplace_back(&user, &has);
  has = true;
  wake_thread();
}

void HubClient::put(uint32_t queue, std::string_view item) {
  const size_t before = outbox_.size();
  HubRecord head;
  if (open_put_) std::memcpy(&head, outbox_.data() + *open_put_, sizeof head);
  if (!open_put_ || head.queue != queue || head.size > kLargeMessage) {
    open_put_ = before;
    head = {.op = HubOp::kPut, .queue = queue};
    append_record(outbox_, head);
  }
  if (item.size() > kLargeMessage) outbox_.reserve(outbox_.size() + item.size() + ItemRun::kHead);
  ItemRun::append(outbox_, item);
  ++head.number;
  head.size = static_cast<uint32_t>(outbox_.size() - *open_put_ - sizeof head);
  std::memcpy(outbox_.data() + *open_put_, &head, sizeof head);
  on_its_way_ += outbox_.size() - before;
  wake_thread();
}

// Whether the thread has something to send now. Else it waits for the hub's answer, and gathers.
bool HubClient::is_due() const {
  if (is_urgent_ || outbox_.size() >= kLargeMessage) return true;
  return unanswered_.empty() && (!outbox_.empty() || !news_.empty());
}

void HubClient::wake_thread() {
  if (!is_asleep_ || !is_due()) return;
  is_asleep_ = false;
  wake_.signal();
}

void HubClient::end(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (end_.empty()) end_ = why;
  is_over_ = true;
  for (User* user : users_) {
    if (user != nullptr) user->wake();
  }
  progress_.notify_all();
}

// ── The thread ──

void HubClient::run() {
  while (hand_over()) {
    const Woke woke = dealer_->wait(std::array{wake_.get()});
    {
      const std::lock_guard lock(mutex_);
      is_asleep_ = false;
    }
    if (woke == Woke::kDescriptor) wake_.clear();
    while (auto message = dealer_->receive_arrived()) hear(std::move(*message));
  }
}

// Sends what is due. False: that was all, for ever.
bool HubClient::hand_over() {
  std::string message;
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return false;
    is_asleep_ = !is_due();
    if (is_asleep_) return true;
    for (const auto& [user, has] : std::exchange(news_, {})) {
      *has = false;
      user->report();
    }
    message = std::exchange(outbox_, {});
    outbox_.reserve(std::min(message.size(), kLargeMessage));  // for as much again
    open_put_.reset();
    is_urgent_ = false;
    is_asleep_ = true;
    if (message.empty()) return true;  // what was news has been said before
    unanswered_.push_back(message.size());
  }
  dealer_->send(std::move(message));
  return true;
}

void HubClient::hear(std::string bytes) {
  const auto message = std::make_shared<const std::string>(std::move(bytes));
  HubRecords records(*message);
  const uint64_t answered = records.number();
  const std::lock_guard lock(mutex_);
  for (; answered_ < answered && !unanswered_.empty(); ++answered_) {
    on_its_way_ -= unanswered_.front();
    unanswered_.pop_front();
  }
  if (is_crowded_ && on_its_way_ < kWindow / 2) {
    is_crowded_ = false;
    for (User* user : users_) {
      if (user != nullptr) user->wake();
    }
  }
  while (const auto read = records.next()) {
    if (read->record.op == HubOp::kRefused)
      throw Invalid(format("the hub refuses this process: {}", read->body));
    if (read->record.queue >= users_.size()) throw Invalid("the hub names a queue that is none");
    User* user = users_[read->record.queue];
    if (user != nullptr) user->hear(read->record, read->body, message);
  }
  if (outbox_.empty() && unanswered_.empty()) progress_.notify_all();
}

// ── The end ──

void HubClient::stop() {
  end("its process is ending");
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.signal();
  if (thread_.joinable()) thread_.join();
  dealer_.reset();
}

void HubClient::finish() noexcept {
  if (owner_ != ::getpid()) return;
  try {
    {
      std::unique_lock lock(mutex_);
      if (!ended()) {
        say({.op = HubOp::kBye});
        end_ = "its process is ending";
        progress_.wait_for(lock, kLastWords,
                           [this] { return is_over_ || (outbox_.empty() && unanswered_.empty()); });
      }
    }
    stop();
  } catch (const std::exception&) {
    // The hub deals with this process's end as with any death.
  }
}

namespace {

// The clients of this process.
struct Clients {
  std::mutex mutex;
  bool watches_exit = false;
  std::vector<std::shared_ptr<HubClient>> all;

  static Clients& get() {
    static constinit PerProcess<Clients> it;
    return it.get();
  }
};

}  // namespace

std::shared_ptr<HubClient> hub_client(uint64_t number) {
  Clients& clients = Clients::get();
  const std::lock_guard lock(clients.mutex);
  const auto known = [&clients](uint64_t of) -> std::shared_ptr<HubClient> {
    const auto it = std::ranges::find(clients.all, of, &HubClient::number);
    return it == clients.all.end() ? nullptr : *it;
  };
  if (number != 0) {
    if (auto client = known(number)) return client;
  }
  // Those of hubs that have ended, whose queues are no more.
  std::erase_if(clients.all, [](const std::shared_ptr<HubClient>& it) {
    return it.use_count() == 1 && it->is_over();
  });
  const HubPlace place = number == 0 ? running_hub() : known_hub(number);
  if (auto client = known(place.number)) return client;
  auto client = std::make_shared<HubClient>(place);
  // Behind the first socket, so that this is done before ZeroMQ's own end at exit.
  if (!clients.watches_exit && std::atexit(&HubClient::finish_all) != 0)
    throw Unsupported("atexit: no room for another function");
  clients.watches_exit = true;
  clients.all.push_back(client);
  return client;
}

void HubClient::finish_all() noexcept {
  Clients& clients = Clients::get();
  for (const auto& client : clients.all) client->finish();
}

}  // namespace towpath
