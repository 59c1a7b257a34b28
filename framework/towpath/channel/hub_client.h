#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "towpath/base/unique_fd.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/dealer.h"
#include "towpath/channel/hub_place.h"
#include "towpath/channel/hub_record.h"

namespace towpath {

// This process's side of the hub: one connection for all its queues, and a thread that serves it,
// so that the hub is answered while the process computes.
//
// Load       what is said while the hub has not dealt with what was said before waits, and goes as
//            one message: see say() and put().
// Deaths     the hub's ends everything with Closed, which names it.
// Exit       waits until the hub has dealt with all that was said. From then on all is Closed, also
//            for threads that wait: statics behind may join them.
// Threads    any, with the mutex held where it is said.
class HubClient {
 public:
  // One of this process's queues. All is called with the mutex held.
  class User {
   public:
    virtual ~User() = default;
    virtual void hear(const HubRecord& record, std::string_view body,
                      const std::shared_ptr<const std::string>& message) = 0;
    // Says what has changed since the last time; before anything is sent.
    virtual void report() = 0;
    // There is room to put, or the hub has ended: whoever waits looks again.
    virtual void wake() = 0;
  };

  explicit HubClient(const HubPlace& place);
  HubClient(const HubClient&) = delete;
  ~HubClient();

  std::mutex& mutex() { return mutex_; }
  uint64_t number() const { return place_.number; }
  int pid() const { return place_.pid(); }  // the hub's

  // ── With the mutex held ──

  bool ended() const { return !end_.empty(); }
  // Without the mutex: the hub will say nothing more.
  bool is_over() {
    const std::lock_guard lock(mutex_);
    return is_over_;
  }
  // Closed.
  [[noreturn]] void throw_ended(const char* what, std::string_view queue) const;

  uint32_t add(User& user);  // its number
  void remove(uint32_t queue);

  // A record that is not to wait.
  void say(const HubRecord& record, std::string_view body = {});
  // The queue has something to report, at leisure.
  void has_news(User& user, bool& has);
  // Items; has_room() says that there is not too much on its way.
  void put(uint32_t queue, std::string_view item);
  bool has_room() {
    if (on_its_way_ < kWindow) return true;
    is_crowded_ = true;
    return false;
  }

  // Until the hub has dealt with all that was said.
  static void finish_all() noexcept;

 private:
  static constexpr uint64_t kWindow = uint64_t{4} << 20;
  static constexpr size_t kLargeMessage = size_t{128} << 10;

  void run();
  bool hand_over();
  void hear(std::string bytes);
  void end(const std::string& why);
  bool is_due() const;
  void wake_thread();
  void finish() noexcept;
  void stop();

  const HubPlace place_;
  const pid_t owner_;
  UniqueFd pidfd_;
  const WakeFd wake_ = WakeFd::create();
  std::unique_ptr<Dealer> dealer_;  // the thread's, once that runs

  std::mutex mutex_;
  std::condition_variable progress_;
  std::vector<User*> users_;
  std::vector<std::pair<User*, bool*>> news_;
  std::string outbox_;
  std::string sending_;             // the thread's; kept for its memory
  std::optional<size_t> open_put_;  // the outbox ends with this record, to which items can be added
  bool is_urgent_ = false;
  bool is_crowded_ = false;
  bool is_asleep_ = false;
  bool is_stopping_ = false;
  bool is_over_ = false;             // the thread hears nothing more
  uint64_t on_its_way_ = 0;          // bytes
  std::deque<uint64_t> unanswered_;  // messages, by size
  uint64_t answered_ = 0;
  std::string end_;  // why
  std::thread thread_;
};

// The one for a hub, in this process. `number`: of the hub that a queue's items are with, 0 for
// none yet. Closed: that one has ended.
std::shared_ptr<HubClient> hub_client(uint64_t number);

}  // namespace towpath
