#include "towpath/coordinator/coordinator.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/quantity.h"
#include "towpath/base/session.h"
#include "towpath/channel/router.h"
#include "towpath/coordinator/ledger.h"
#include "towpath/coordinator/rejects.h"
#include "towpath/coordinator/snapshots.h"
#include "towpath/coordinator/states.h"
#include "towpath/host/host.h"
#include "towpath/memory/arena_view.h"
#include "towpath/process/keeper.h"
#include "towpath/run/run_db.h"
#include "towpath/run/run_folder.h"
#include "towpath/worker/open_batch.h"

namespace towpath {
namespace {

// Deaths of a stage's workers with no lease done in between that end the run: many by SIGKILL, which comes from
// outside, few by their own doing.
constexpr int kMaxDeathsInARow = 8;
constexpr int kMaxKillsInARow = 64;
constexpr uint32_t kMaxAttempts = 3;  // of a lease whose worker died by its own doing
constexpr Millis kFirstPause{10};     // before a restart; doubles with each death in a row
constexpr Millis kLongestPause{1000};
constexpr Millis kStopGrace{
    4000};  // from the pill to SIGTERM, and from there to SIGKILL half of it

// SIGINT and SIGTERM as a descriptor; the old mask comes back at the end.
class Signals {
 public:
  explicit Signals(bool wanted) {
    if (!wanted) return;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &set, &old_) != 0) throw_errno("pthread_sigmask");
    fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw_errno("signalfd");
  }
  Signals(const Signals&) = delete;
  ~Signals() {
    if (fd_) pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }
  int fd() const { return fd_.get(); }
  // The signals that have come since the last call.
  int take() {
    int count = 0;
    signalfd_siginfo info{};
    while (fd_ && ::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      ++count;
    return count;
  }

 private:
  sigset_t old_{};
  UniqueFd fd_;
};

// Short, because the kernel allows little for a socket's path; two runs never live with one process
// id.
std::string session_id() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return format("{:x}-{:x}", ::getpid(),
                std::chrono::duration_cast<std::chrono::milliseconds>(now).count() & 0xffffff);
}

class Coordinator {
 public:
  Coordinator(const Plan& plan, const RunOptions& options)
      : plan_(plan),
        options_(options),
        signals_(options.handle_signals),
        folder_(RunFolder::create(options.runs, plan.pipeline)),
        session_(Session::create(session_id())),
        keeper_(session_.folder()),
        host_(plan.memory),
        ledger_(plan, host_.arena()),
        rejects_(folder_, plan),
        view_(UniqueFd(::fcntl(host_.arena().fd(), F_DUPFD_CLOEXEC, 0))),
        address_(session_.address("c")),
        router_(address_),
        began_(Clock::now()) {
    log_.reset(
        ::open(folder_.file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log_) throw_errno(format("open({})", folder_.file("log")));
    for (const PlanStage& stage : plan.stages) {
      for (int number = 0; number < stage.workers; ++number) seats_.push_back({{stage.id, number}});
    }
    deaths_.resize(plan.stages.size());
    restarts_.resize(plan.stages.size());
  }

  RunResult run() {
    // First of all, because a process with threads can't fork; run.db has one.
    for (SeatProcess& seat : seats_) start(seat);
    db_ = std::make_unique<RunDb>(folder_.file("run.db"));
    db_->begin(folder_.id(), plan_.pipeline, plan_.config, plan_.config_text, to_bytes(plan_));
    while (!over()) {
      wait();
      take_signals();
      take_messages();
      take_deaths();
      restart_due();
      go_on();
      send_answers();
      observe(false);
    }
    return close();
  }

 private:
  struct SeatProcess {
    Seat seat;
    std::string identity{};
    int incarnation = 0;
    int pid = 0;
    std::optional<Clock::time_point> restart_at{};
    bool pilled = false;
  };

  const PlanStage& stage_of(const SeatProcess& seat) const {
    return plan_.stages[static_cast<size_t>(seat.seat.stage)];
  }
  int key_of(const SeatProcess& seat) const { return static_cast<int>(&seat - seats_.data()); }
  SeatProcess& seat_process(Seat seat) {
    return *std::find_if(seats_.begin(), seats_.end(),
                         [seat](const SeatProcess& process) { return process.seat == seat; });
  }
  std::string name_of(const SeatProcess& seat) const {
    const PlanStage& stage = stage_of(seat);
    return format("{}#{}", stage.name, stage.member > 0 ? stage.member : seat.seat.number + 1);
  }
  bool over() const {
    return state_ == RunState::kDone || state_ == RunState::kFailed ||
           state_ == RunState::kInterrupted;
  }
  bool stopping() const {
    return state_ == RunState::kFailing || state_ == RunState::kInterrupting;
  }
  void change(RunEvent event) { state_ = kRunLifecycle.after(state_, event); }

  // ── workers ──

  void start(SeatProcess& seat) {
    const PlanStage& stage = stage_of(seat);
    WorkerStart start;
    start.title = format("{}/{}", plan_.pipeline, name_of(seat));
    seat.identity = format("{}.{}", key_of(seat), ++seat.incarnation);
    start.identity = seat.identity;
    start.address = address_;
    start.temp_dir = folder_.file("tmp");
    start.steps = stage.steps;
    for (const PlanOutput& output : stage.outputs) {
      start.outputs.push_back({output.name, output.schema, output.partition_by});
    }
    start.partition_by = stage.partition_by;
    start.token = ledger_.token(stage.id);
    Host::Launch launch;
    launch.method =
        parse_method(stage.start_method.empty() ? plan_.start_method : stage.start_method);
    if (launch.method == Method::kFork && seat.incarnation > 1) {
      launch.method = Method::kForkserver;
      note(seat, "is replaced by the forkserver: the run has threads by now, so it can't fork");
    }
    launch.env = stage.env;
    launch.log_fd = log_.get();
    seat.pid = host_.start(key_of(seat), start, launch);
    seat.restart_at.reset();
    by_identity_[seat.identity] = static_cast<size_t>(key_of(seat));
  }

  void note(const SeatProcess& seat, const std::string& text) {
    const std::string line = format("INFO/towpath worker {} {}\n", name_of(seat), text);
    [[maybe_unused]] const ssize_t written = ::write(log_.get(), line.data(), line.size());
    if (db_) db_->event(stage_of(seat).name, name_of(seat), text);
  }

  void restart_due() {
    if (state_ != RunState::kRunning) return;
    for (SeatProcess& seat : seats_) {
      if (!seat.restart_at || Clock::now() < *seat.restart_at) continue;
      ledger_.worker_restarted(seat.seat);
      start(seat);
    }
  }

  void take_deaths() {
    for (const Host::Ended& ended : host_.reap()) {
      // What it sent before it died may still lie in the inbox: a commit counts if it comes before
      // the death is known, and is stale afterwards.
      worker_ended(seats_[static_cast<size_t>(ended.key)], ended);
    }
  }

  void worker_ended(SeatProcess& seat, const Host::Ended& ended) {
    const PlanStage& stage = stage_of(seat);
    by_identity_.erase(seat.identity);
    const std::optional<Ledger::Held> held = ledger_.held_by(seat.seat);
    ledger_.worker_gone(seat.seat);
    if (stopping()) return;
    if (seat.pilled && ended.exitcode == 0) return;
    const std::string death = describe_death(seat, ended, held);
    note(seat, format("ended: {}", show_exit(ended.exitcode)));
    if (stage.role == Role::kSink) {
      fault(death + "; a sink's death ends the run, nothing was published");
      return;
    }
    if (state_ != RunState::kRunning || ledger_.ended(stage.id))
      return;  // it had nothing left to do
    if (stage.stateful) {
      fault(death + "; what it had gathered is lost with it, so the run stops");
      return;
    }
    const bool stray = ended.exitcode == -SIGKILL;
    if (held && !stray && held->attempt >= kMaxAttempts) {
      fault(death);
      return;
    }
    const size_t id = static_cast<size_t>(stage.id);
    int& in_a_row = stray ? deaths_[id].by_kill : deaths_[id].own;
    if (++in_a_row >= (stray ? kMaxKillsInARow : kMaxDeathsInARow)) {
      fault(format("{}; {} workers of this stage died in a row, and no lease was done", death,
                   in_a_row));
      return;
    }
    ++restarts_[id];
    // The first is replaced at once; each that follows in a row waits twice as long.
    const int doublings = std::min(in_a_row - 2, 10);
    const int64_t pause = doublings < 0 ? 0 : kFirstPause.count() << doublings;
    seat.restart_at = Clock::now() + std::min(Millis{pause}, kLongestPause);
  }

  std::string describe_death(const SeatProcess& seat, const Host::Ended& ended,
                             const std::optional<Ledger::Held>& held) {
    std::string text =
        format("worker {} (pid {}): {} {}", name_of(seat), ended.pid,
               ended.exitcode < 0 ? "killed by" : "ended with", show_exit(ended.exitcode));
    if (!held) return text + " holding no lease";
    text += format(" holding lease {}", held->lease);
    if (held->kind == LeaseKind::kProcess) text += " (" + describe_rows(*held) + ")";
    if (held->kind == LeaseKind::kFinish) text += " (the flush at the end of its input)";
    return text + format(", attempt {} of {}", held->attempt, kMaxAttempts);
  }

  std::string describe_rows(const Ledger::Held& held) {
    std::string rows = format("rows {}-{}", held.first_row, held.first_row + held.rows - 1);
    const Batch batch = open_batch(held.batch, view_);
    const SourcePosition first = batch.position(0), last = batch.position(batch.rows() - 1);
    if (!first.file.empty())
      rows += format(", from {}:{} to {}:{}", first.file, first.line, last.file, last.line);
    return rows;
  }

  // ── messages ──

  void take_messages() {
    while (std::optional<Message> message = router_.receive()) {
      const auto known = by_identity_.find(message->from);
      if (known == by_identity_.end()) continue;  // of an incarnation that has died
      SeatProcess& seat = seats_[known->second];
      try {
        handle(seat, message->bytes);
      } catch (const Invalid& error) {
        fault(format("worker {} (pid {}) broke the protocol: {}", name_of(seat), seat.pid,
                     error.what()));
        host_.kill(key_of(seat));
      }
    }
  }

  void handle(SeatProcess& seat, const std::string& bytes) {
    Decoder in(bytes);
    switch (message_kind<FromWorker>(in)) {
      case FromWorker::kReady:
        ledger_.worker_ready(seat.seat, towpath::decode<Ready>(in).next_port);
        break;
      case FromWorker::kCommit:
        for (Commit& commit : towpath::decode<std::vector<Commit>>(in)) {
          if (!ledger_.commit(seat.seat, std::move(commit))) continue;
          deaths_[static_cast<size_t>(seat.seat.stage)] = {};
        }
        break;
      case FromWorker::kFailed: {
        const Failed failed = towpath::decode<Failed>(in);
        fault(format("stage \"{}\" (worker {}, pid {}): {}", stage_of(seat).name, name_of(seat),
                     seat.pid, failed.what));
        break;
      }
    }
  }

  template <class Kind, class Body>
  void send(const SeatProcess& seat, Kind kind, const Body& body) {
    // A peer that is gone will be found dead; what it was sent is taken back then.
    router_.send(seat.identity, make_message(kind, body));
  }

  void send_answers() {
    if (stopping() || over()) return;
    ledger_.answer(work_, rooms_);
    for (const Ledger::GrantedRoom& room : rooms_) {
      send(seat_process(room.seat), ToWorker::kRoom, room.room);
    }
    for (const Ledger::Work& work : work_)
      send(seat_process(work.seat), ToWorker::kWork, work.leases);
  }

  void pill(SeatProcess& seat, Pill pill) {
    if (host_.pid(key_of(seat)) == 0) return;
    seat.pilled = true;
    ledger_.worker_pilled(seat.seat);
    send(seat, ToWorker::kPill, pill);
  }

  // ── the run ──

  void go_on() {
    take_rejects();
    if (state_ == RunState::kRunning) {
      if (ledger_.all_ended()) {
        change(RunEvent::kStagesEnded);
        ledger_.begin_prepare();
      } else if (const std::string stall = ledger_.stall(); !stall.empty() && !pending_restarts()) {
        // Only an empty answer makes it a stall: leases may be at hand.
        send_answers();
        if (!ledger_.stall().empty() && !ledger_.relieve()) {
          fault(format(
              "the run stands still: memory: {} is too little for it{}; raise memory: in the YAML",
              show_bytes(plan_.memory), stall));
        }
      }
    }
    if (state_ == RunState::kPreparing && ledger_.all_prepared()) {
      db_->event("", "", "all sinks are prepared");
      db_->flush();
      change(RunEvent::kPrepared);
      ledger_.begin_commit();
    }
    if (state_ == RunState::kCommitting && ledger_.all_committed()) {
      change(RunEvent::kCommitted);
      for (SeatProcess& seat : seats_) pill(seat, Pill::kEnd);
    }
    if ((state_ == RunState::kEnding || stopping()) && host_.alive() == 0)
      change(RunEvent::kAllLeft);
    if (stopping()) press_on();
  }

  bool pending_restarts() const {
    return std::any_of(seats_.begin(), seats_.end(),
                       [](const SeatProcess& seat) { return seat.restart_at.has_value(); });
  }

  void take_rejects() {
    while (const std::optional<Ledger::RejectBatch> reject = ledger_.next_reject()) {
      rejects_.add(reject->stage, open_batch(reject->batch, view_));
      ledger_.reject_taken(*reject);
    }
    if (plan_.max_rejects && rejects_.count() > static_cast<int64_t>(*plan_.max_rejects) &&
        !stopping()) {
      fault(
          format("{}\n{} row(s) rejected, {} allowed; set max_rejects: in the YAML to go on in "
                 "spite of them",
                 rejects_.first(), rejects_.count(), *plan_.max_rejects));
    }
  }

  void fault(const std::string& why) {
    if (message_.empty() && !stopping()) message_ = why;
    if (over() || stopping()) return;
    change(RunEvent::kFault);
    begin_stop();
  }

  void begin_stop() {
    stop_began_ = Clock::now();
    for (SeatProcess& seat : seats_) {
      seat.restart_at.reset();
      pill(seat, Pill::kStop);
    }
  }

  // Stopping is bounded: pill, SIGTERM, SIGKILL.
  void press_on() {
    const auto waited = Clock::now() - stop_began_;
    if (pressure_ == 0 && waited > kStopGrace) {
      pressure_ = 1;
      host_.terminate_all();
    } else if (pressure_ == 1 && waited > kStopGrace + kStopGrace / 2) {
      pressure_ = 2;
      host_.kill_all();
    }
  }

  void take_signals() {
    for (int count = signals_.take(); count > 0; --count) {
      if (stopping()) {  // the second one
        host_.kill_all();
      } else if (!over()) {
        change(RunEvent::kSignal);
        if (stopping()) begin_stop();
      }
    }
  }

  // ── waiting and telling ──

  void wait() {
    auto until = last_observed_ + options_.interval;
    for (const SeatProcess& seat : seats_) {
      if (seat.restart_at) until = std::min(until, *seat.restart_at);
    }
    if (stopping()) until = std::min(until, Clock::now() + Millis{100});
    const auto left = std::chrono::ceil<Millis>(until - Clock::now()).count();
    pollfd fds[] = {{router_.fd(), POLLIN, 0}, {host_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
    ::poll(fds, 3, static_cast<int>(std::clamp<int64_t>(left, 0, 1000)));
  }

  Snapshot snapshot() {
    Snapshot now = take_snapshot(plan_, ledger_, host_.arena(), restarts_);
    now.run = folder_.id();
    now.status = kRunLifecycle.states[static_cast<size_t>(state_)];
    now.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    return now;
  }

  void observe(bool force) {
    if (!force && Clock::now() - last_observed_ < options_.interval) return;
    last_observed_ = Clock::now();
    if (options_.observe) options_.observe(snapshot());
  }

  RunResult close() {
    RunResult result;
    if (state_ == RunState::kDone) {
      ledger_.check_balance();
      result.exit_code = rejects_.count() > 0 ? 3 : 0;
    } else {
      result.exit_code = state_ == RunState::kInterrupted ? 130 : 1;
      if (message_.empty()) message_ = "interrupted";
    }
    rejects_.finish();
    if (rejects_.count() > 0) result.rejects = rejects_.path();
    result.message = message_;
    result.folder = folder_.path();
    result.ledger = snapshot();
    std::vector<RunDb::StageRow> rows;
    for (const StageSnapshot& stage : result.ledger.stages) {
      rows.push_back({stage.name, stage.workers, stage.restarts, stage.leases, stage.in, stage.out,
                      stage.filtered, stage.rejected, stage.bytes});
    }
    db_->end(result.ledger.status, result.exit_code, message_, std::move(rows));
    db_->flush();
    folder_.remove_temporary();
    keeper_.release();
    observe(true);
    return result;
  }

  const Plan& plan_;
  const RunOptions& options_;
  Signals signals_;
  RunFolder folder_;
  Session session_;
  Keeper keeper_;
  Host host_;
  Ledger ledger_;
  RejectFile rejects_;
  ArenaView view_;
  const std::string address_;
  Router router_;
  UniqueFd log_;
  std::unique_ptr<RunDb> db_;
  RunState state_ = RunState::kRunning;
  std::vector<SeatProcess> seats_;  // in order of stages: the position is the host's key
  std::map<std::string, size_t, std::less<>> by_identity_;
  struct Deaths {
    int own = 0, by_kill = 0;
  };
  std::vector<Deaths> deaths_;        // per stage, in a row
  std::vector<int64_t> restarts_;  // per stage
  std::vector<Ledger::Work> work_;
  std::vector<Ledger::GrantedRoom> rooms_;
  std::string message_;
  Clock::time_point began_, last_observed_{}, stop_began_{};
  int pressure_ = 0;
};

}  // namespace

RunResult run_plan(const Plan& plan, const RunOptions& options) {
  return Coordinator(plan, options).run();
}

}  // namespace towpath
