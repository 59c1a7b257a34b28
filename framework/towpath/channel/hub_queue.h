#pragma once
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "towpath/base/clock.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/held_items.h"
#include "towpath/channel/hub_client.h"
#include "towpath/channel/item_run.h"
#include "towpath/channel/queue_core.h"
#include "towpath/memory/session_file.h"

namespace towpath {

// A queue over ZeroMQ: its items are with the hub, which sends them ahead to who gets much. Here is
// what this process has of it: items that were sent to it, and room that it may fill.
//
// A file in the session's folder says what the queue is, and with which hub its items are: none
// until its first use. So it can be made in one process, and be used in its children first: ZeroMQ
// has threads, and a process with threads can't fork.
class HubQueue final : public QueueCore, private HubClient::User {
 public:
  static std::unique_ptr<QueueCore> create(const Options& options);
  static std::unique_ptr<QueueCore> open(const Handle& handle);
  static bool is_one(const Handle& handle);
  ~HubQueue() override;

  void put(std::string_view bytes, Millis timeout) override;
  Item get(Millis timeout) override;
  bool poll(Millis timeout) override;
  bool flush(Millis timeout) override;
  uint64_t size() override;
  uint64_t maxsize() const override { return maxsize_; }
  bool joinable() const override { return joinable_; }
  void shut_down() override;
  void task_done() override;
  bool join(Millis timeout) override;
  int fileno() override;
  const Handle& handle() const override { return file_.handle(); }

 private:
  struct Shared;
  using Lock = std::unique_lock<std::mutex>;
  explicit HubQueue(SessionFile file);

  // HubClient::User
  void hear(const HubRecord& record, std::string_view body,
            const std::shared_ptr<const std::string>& message) override;
  void report() override;
  void wake() override;

  // All below: with the client's mutex held.
  Lock enter(const char* what);
  void say(HubRecord record, std::string_view body = {});
  std::optional<HubRecord> ask(Lock& lock, HubRecord question, const char* what,
                               const Deadline& deadline);
  HubRecord ask_at_once(Lock& lock, const HubRecord& question, const char* what);
  bool sleep(Lock& lock, const char* what, const Deadline& deadline);
  void await_room(Lock& lock, Millis timeout);
  bool take_room(Lock& lock, Millis timeout, const Deadline& deadline);
  void await_item(Lock& lock, Millis timeout);
  void want(uint64_t count, uint64_t waiting);
  Item take();
  void give_back_items();
  void give_back_room();
  void watch_again();
  void set_readable(bool readable);
  const std::string& name() const { return file_.handle().name; }
  void open_client();

  SessionFile file_;
  Shared& shared_;
  const uint64_t maxsize_;
  const bool joinable_;

  std::mutex opening_;
  std::atomic<HubClient*> opened_ = nullptr;
  std::shared_ptr<HubClient> client_;
  uint32_t generation_ = 0;
  uint32_t number_ = 0;  // the client's, for this queue

  std::condition_variable changed_;
  ItemRuns items_;             // sent here, and not got
  uint64_t got_ = 0;           // and not reported
  bool has_news_ = false;      // the client knows
  uint64_t wanted_ = 0;        // and not yet sent here
  uint64_t ahead_ = 1;         // how many it wants at a time
  bool has_taken_ = false;     // since it last waited
  uint64_t getters_ = 0;       // threads that wait for items
  uint64_t told_getters_ = 0;  // so many the hub knows of, at least
  uint64_t room_ = 0;
  uint64_t room_ahead_ = 1;
  uint64_t putters_ = 0;  // threads that wait for room
  bool room_asked_ = false;
  bool is_shut_ = false;
  bool is_paused_ = false;
  uint64_t ends_ = 0;   // how often it was told that nothing more comes
  uint64_t tells_ = 0;  // how often it was told what it asked for
  uint64_t last_token_ = 0;
  std::map<uint64_t, std::optional<HubRecord>> answers_;
  HeldItems<uint64_t> held_;
  WakeFd readable_;  // once somebody watches
  bool is_readable_ = false;
};

}  // namespace towpath
