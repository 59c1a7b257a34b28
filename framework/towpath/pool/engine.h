#pragma once
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/per_process.h"
#include "towpath/base/private_fd.h"
#include "towpath/base/wake_fd.h"
#include "towpath/pool/backlog.h"
#include "towpath/pool/intake.h"
#include "towpath/pool/member.h"
#include "towpath/pool/options.h"
#include "towpath/pool/parcel.h"
#include "towpath/pool/task.h"

namespace towpath::pools {

// The inside of a Pool: its queue, its workers, and one thread that stands between them.
//
//   state of a worker   event                 what happens
//   starting            ready                 it gets tasks
//   starting            failed                the pool is broken: all tasks fail with that error
//   starting            died                  another starts; after several in a row: broken
//   ready               results               delivered; more tasks
//   ready               died                  the task that ran fails or is tried again, the others
//                                             go back to the queue; another starts. (Of no use so
//                                             far, and soon after its start: as starting.)
//   ready               recycling, resize,    retiring: what it has begun it brings to an end
//                       idle, close
//   ready               deadline, kill        its other tasks are taken back; SIGKILL
//   ready               nothing: it has not   the same, and they wait for another worker
//                       begun a task in the
//                       time of its deadline
//   retiring            no more tasks         pill: ending
//   ending              died                  forgotten
//   ending              lives on              SIGTERM after exit_grace, SIGKILL after kGrace more
//
// Credits    a worker holds about kAhead of measured work; before a measure, one task. What it has
//            not begun is taken back when another one is idle.
// Threads    any. Receivers are called by the pool's thread, and by cancel_queued(), with nothing
//            locked.
// Fork       in a child whatever waits or asks is Invalid; ends do nothing.
// exit()     terminates it, before the process's other children are ended.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  enum class Workers { kAtOnce, kOnDemand };
  // kAtOnce: starts all; if one can't be started, stops the others and throws.
  Engine(PoolOptions options, Workers workers);
  ~Engine();
  // Starts the pool's thread. Once, before anything below.
  void start();
  // terminate(), and the end of the thread.
  void finish();
  // Not that of the process this one was forked from.
  bool own() const { return generation_ == fork_generation(); }
  void require_own(const char* what) const;  // else Invalid
  // Invalid where a wait for one of its tasks would be for ever: on its own thread, in a child of
  // fork.
  void refuse_vain_wait() const;

  const PoolOptions& options() const { return options_; }
  int workers() const;  // wanted

  uint32_t number_of(Code code);
  // How many tasks of that code make a parcel worth its travel; 1 before it is known.
  uint32_t parcel_size(uint32_t code) const;

  // Closed: after close(), or the pool is broken (then with the reason).
  void submit(Parcel parcel);
  // The same of a task that has no place in an input, and so gets a number of its own.
  void submit_one(Code code, Parcel parcel);

  // Drops all tasks of the receiver, which has so many. False: one of them runs, or is done.
  bool cancel(Receiver& receiver, uint64_t tasks);
  // Kills the workers that run its tasks, and fails those that wait, as Cancelled; true: there are.
  bool kill_running(Receiver& receiver, uint64_t tasks);
  bool is_running(const Receiver& receiver) const;

  void resize(int workers);
  void close();
  // Fails what is queued and what runs, ends the workers, and waits for that: the pill to who is
  // idle, SIGTERM to who works, SIGKILL to who is left after kGrace. `hard`: SIGKILL at once.
  void terminate(bool hard = false);
  // The same, and does not wait.
  void ask_to_end(bool hard = false) noexcept;
  // Fails what is queued as Cancelled.
  void cancel_queued();
  // After close() or terminate(): waits for the end of all workers.
  bool join(Millis timeout);
  bool closed() const;
  bool on_own_thread() const;

  struct WorkerInfo {
    std::string name;
    int pid;
  };
  std::vector<WorkerInfo> members() const;

 private:
  static constexpr uint64_t kWake = 0;  // of epoll: else the member's id
  static constexpr Millis kGrace{1'000};
  static constexpr auto kNever = Clock::time_point::max();

  struct Arrived {  // what one wake-up has read, before the lock is taken
    Member* member;
    ResultsHead head;
    std::string body;
  };

  static bool may_have(const Member& member, const Receiver& receiver, uint64_t tasks);
  static bool runs(const Member& member, const Receiver& receiver);

  // The pool's thread, round by round (engine_loop.cc).
  void run();
  bool round(std::array<epoll_event, 64>& events, int& ready);  // false: that was the last
  int poll_timeout() const;
  void watch_time();
  void watch_deadline(Member& member, Clock::time_point now);
  void stalled(Member& member, std::vector<Parcel>& back);
  void watch_stuck(Member& member, Clock::time_point now);
  void settle();
  void end_all();
  void dispatch();
  bool fill(Member& member, size_t equals);
  bool could_take_more() const;
  void require_small(const Parcel& parcel) const;
  void submitted(Intake::Put done);
  void take_in();

  // Workers: their starts, their words, their ends (engine_workers.cc).
  int missing() const;
  std::unique_ptr<Member> make_member(int of_workers);
  void add(std::unique_ptr<Member> member);
  void start_missing(std::unique_lock<std::mutex>& lock);
  void read(Member& member, std::vector<Arrived>& arrived);
  void give_up_reading(Member& member, const Error& why) const;
  void handle(Arrived& arrived);
  void fault(Member& member, const std::string& what);
  void bury(Member& member);
  void fail_running(Member& member, Parcel parcel, int exitcode);
  void take_back(Member& member);
  void give_up(Member& member, const std::exception_ptr& error);
  void break_with(const std::exception_ptr& error);
  void kill(Member& member, Member::Doom doom);
  void retire(Member& member);
  void failed_start(const std::exception_ptr& why, int limit);

  PoolOptions options_;
  WorkerSettings settings_;
  const bool on_demand_;
  const int cores_;
  PrivateFd epoll_;
  const WakeFd wake_ = WakeFd::create();
  std::thread thread_;
  const pid_t owner_ = ::getpid();
  const uint32_t generation_ = fork_generation();

  Intake intake_;  // locks for itself, also under the following
  mutable std::mutex mutex_;
  std::condition_variable ended_cv_;
  Backlog backlog_;
  std::vector<Parcel> coming_;  // out of the intake, on their way into the backlog
  size_t taken_in_ = 0;         // of these
  std::deque<std::unique_ptr<Member>> members_;
  std::vector<Delivery> deliveries_;
  // The pool's thread alone, from round to round: a round that fails loses none.
  std::deque<Delivery> delivering_;
  std::vector<Arrived> arrived_;
  uint64_t next_member_ = 1;
  int target_ = 0;
  int failed_starts_ = 0;
  Clock::time_point start_at_{};  // not before: after a failed start
  enum class Stop { kNo, kClose, kTerminate, kKill };
  Stop stop_ = Stop::kNo;
  bool stopping_ = false;  // terminate has been carried out
  bool ended_ = false;
  bool undispatched_ = false;  // tasks came since the last dispatch()
  std::exception_ptr broken_;
};

}  // namespace towpath::pools
