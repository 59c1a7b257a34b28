#include "towpath/coordinator/coordinator.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/quantity.h"
#include "towpath/base/session.h"
#include "towpath/channel/router.h"
#include "towpath/coordinator/crew.h"
#include "towpath/coordinator/fault_texts.h"
#include "towpath/coordinator/ledger.h"
#include "towpath/coordinator/rejects.h"
#include "towpath/coordinator/signals.h"
#include "towpath/coordinator/snapshots.h"
#include "towpath/coordinator/states.h"
#include "towpath/host/descriptors.h"
#include "towpath/host/host.h"
#include "towpath/memory/arena_view.h"
#include "towpath/process/keeper.h"
#include "towpath/run/run_db.h"
#include "towpath/run/run_folder.h"
#include "towpath/worker/open_batch.h"
#include "towpath/worker/unfinished.h"

namespace towpath {
namespace {

constexpr uint32_t kMaxDeaths = 3;  // of workers that computed one lease, by their own doing
// From the pill to SIGTERM; from there to SIGKILL it is half of the first.
constexpr Millis kStopGrace{4000};
constexpr Millis kEndGrace{60'000};  // sinks may have much to close

class Coordinator {
 public:
  Coordinator(const Plan& plan, const RunOptions& options)
      : plan_(plan),
        options_(options),
        signals_(options.handle_signals),
        folder_(RunFolder::create(options.runs, plan.pipeline)),
        keeper_(Session::create_own()),
        host_(plan.memory, folder_.lock_fd()),
        ledger_(plan, host_.arena()),
        rejects_(folder_, plan),
        view_(UniqueFd(::fcntl(host_.arena().fd(), F_DUPFD_CLOEXEC, 0))),
        address_(keeper_.session().address("c")),
        router_(address_),
        began_(Clock::now()) {
    log_.reset(
        ::open(folder_.file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log_) throw_errno(format("open({})", folder_.file("log")));
    crew_.emplace(
        plan, host_, Crew::Surroundings{address_, folder_.file("tmp"), log_.get()},
        [this](const Crew::Member& member, const std::string& text) { note(member, text); });
  }

  RunResult run() {
    try {
      // First of all, because a process with threads can't fork; run.db has one.
      for (Member& member : crew_->members()) crew_->start(member, std::nullopt);
      db_ = std::make_unique<RunDb>(folder_.file("run.db"));
      db_->begin(folder_.id(), plan_.pipeline, plan_.config, plan_.config_text, to_bytes(plan_));
    } catch (const Error& error) {  // those that were started stop in order
      fault(error.what());
    }
    while (!over()) {
      wait();
      try {
        turn();
      } catch (const Error& error) {  // of a disk that is full, say
        fault(error.what());
      }
      press_on();
      if ((state_ == RunState::kEnding || stopping()) && host_.alive() == 0) {
        change(RunEvent::kAllLeft);
      }
    }
    return close();
  }

 private:
  using Member = Crew::Member;

  void turn() {
    take_signals();
    take_messages();
    take_deaths();
    restart_due();
    go_on();
    send_answers();
    observe(false);
  }

  bool over() const {
    return state_ == RunState::kDone || state_ == RunState::kFailed ||
           state_ == RunState::kInterrupted;
  }
  bool stopping() const {
    return state_ == RunState::kFailing || state_ == RunState::kInterrupting;
  }
  void change(RunEvent event) { state_ = kRunLifecycle.after(state_, event); }

  // ── workers, and what is told of them in log and run.db ──

  void note(const Member& member, const std::string& text) {
    const std::string name = crew_->name(member);
    log(format("worker {} {}", name, text));
    record([&] { db_->event(crew_->stage(member).name, name, text); });
  }

  void note(const std::string& text) {
    log(text);
    record([&] { db_->event("", "", text); });
  }

  // A run.db that fails stops the run, and is not asked again.
  template <class F>
  void record(F write) {
    if (!db_ || db_failed_) return;
    try {
      write();
    } catch (const Error& error) {
      db_failed_ = true;
      fault(error.what());
    }
  }

  void log(const std::string& text) {
    const std::string line = format("[INFO/towpath] {}\n", text);
    [[maybe_unused]] const ssize_t written = ::write(log_.get(), line.data(), line.size());
  }

  void restart_due() {
    if (state_ != RunState::kRunning) return;
    for (Member& member : crew_->members()) {
      if (!member.restart_at || Clock::now() < *member.restart_at) continue;
      ledger_.worker_restarted(member.seat);
      crew_->start(member, ledger_.token(member.seat.stage));
    }
  }

  void take_deaths() {
    // What a worker sent before it died may still lie in the inbox: a commit counts if it comes
    // before the death is known, and is stale afterwards.
    for (const Host::Ended& ended : host_.reap()) worker_ended(crew_->of_key(ended.key), ended);
  }

  void worker_ended(Member& member, const Host::Ended& ended) {
    const PlanStage& stage = crew_->stage(member);
    const std::optional<Ledger::Held> held = ledger_.held_by(member.seat);
    const std::string death = describe_death(crew_->name(member), ended, held, kMaxDeaths, view_);
    // Killed or terminated: from outside, never the data's fault.
    const bool from_outside = ended.exitcode == -SIGKILL || ended.exitcode == -SIGTERM;
    crew_->forget(member);
    ledger_.worker_gone(member.seat, !from_outside);
    if (stopping() || (member.pill && ended.exitcode == 0)) return;
    note(member, format("ended: {}", show_exit(ended.exitcode)));
    if (stage.role == Role::kSink) {
      return fault(death + (publishing_
                                ? "; other outputs may have been published, its own may lack"
                                : "; a sink's death ends the run, nothing was published"));
    }
    if (state_ != RunState::kRunning || ledger_.ended(stage.id))
      return;  // it had nothing left to do
    if (stage.stateful) {
      return fault(death + "; what it had gathered is lost with it, so the run stops");
    }
    if (held && !from_outside && held->deaths + 1 >= kMaxDeaths) return fault(death);
    if (const std::optional<int> in_a_row = crew_->replace(member, from_outside)) {
      fault(format("{}; {} workers of this stage died in a row, and no lease was done", death,
                   *in_a_row));
    }
  }

  // ── messages ──

  void take_messages() {
    while (std::optional<Message> message = router_.receive()) {
      Member* const member = crew_->find(message->from);
      if (member == nullptr) continue;  // of an incarnation that has died
      try {
        handle(*member, message->bytes);
      } catch (const Invalid& error) {
        fault(format("worker {} (pid {}) broke the protocol: {}", crew_->name(*member), member->pid,
                     error.what()));
        host_.kill(crew_->key(*member));
      }
    }
  }

  void handle(Member& member, const std::string& bytes) {
    Decoder in(bytes);
    switch (message_kind<FromWorker>(in)) {
      case FromWorker::kReady:
        // Before it spoke, its pill could not reach it.
        if (member.pill) {
          send(member, ToWorker::kPill, *member.pill);
          break;
        }
        ledger_.worker_ready(member.seat, towpath::decode<Ready>(in).next_port);
        break;
      case FromWorker::kCommit:
        for (Commit& commit : towpath::decode<std::vector<Commit>>(in)) {
          const bool final = commit.final;
          if (ledger_.commit(member.seat, std::move(commit)) && final) {
            crew_->lease_done(member.seat.stage);
          }
        }
        break;
      case FromWorker::kFailed: {
        const Failed failed = towpath::decode<Failed>(in);
        fault(format("stage \"{}\" (worker {}, pid {}): {}", crew_->stage(member).name,
                     crew_->name(member), member.pid, failed.what));
        break;
      }
    }
  }

  template <class Kind, class Body>
  void send(const Member& member, Kind kind, const Body& body) {
    // A peer that is gone will be found dead; what it was sent is taken back then.
    router_.send(member.identity, make_message(kind, body));
  }

  void send_answers() {
    if (stopping() || over()) return;
    ledger_.answer(work_, rooms_);
    for (const Ledger::GrantedRoom& room : rooms_) {
      send(crew_->at(room.seat), ToWorker::kRoom, room.room);
    }
    for (const Ledger::Work& work : work_) send(crew_->at(work.seat), ToWorker::kWork, work.leases);
  }

  void pill_all(Pill pill) {
    crew_->give_up();
    for (Member& member : crew_->members()) {
      if (!crew_->lives(member)) continue;
      member.pill = pill;
      ledger_.worker_pilled(member.seat);
      send(member, ToWorker::kPill, pill);
    }
  }

  // ── the run ──

  void go_on() {
    take_rejects();
    if (const auto overflow = ledger_.state_overflow(); overflow && !stopping()) {
      fault(describe_overflow(*overflow, plan_));
    }
    if (state_ == RunState::kRunning) {
      if (ledger_.all_ended()) {
        change(RunEvent::kStagesEnded);
        ledger_.begin_prepare();
      } else if (ledger_.stall() && !crew_->replacing()) {
        // Only an empty answer makes it a stall: leases may be at hand.
        send_answers();
        const std::optional<Ledger::Stall> stall = ledger_.stall();
        if (stall && !ledger_.relieve(*stall))
          fault(describe_stall(*stall, plan_, ledger_, host_.arena()));
      }
    }
    if (state_ == RunState::kPreparing && ledger_.all_prepared()) {
      note("all sinks are prepared");
      record([this] { db_->flush(); });
      if (stopping()) return;
      publishing_ = true;
      change(RunEvent::kPrepared);
      ledger_.begin_commit();
    }
    if (state_ == RunState::kCommitting && ledger_.all_committed()) {
      change(RunEvent::kCommitted);
      stop_began_ = Clock::now();
      pill_all(Pill::kEnd);
    }
  }

  void take_rejects() {
    while (const std::optional<Ledger::RejectBatch> reject = ledger_.next_reject()) {
      try {
        if (!rejects_failed_) rejects_.add(reject->stage, open_batch(reject->batch, view_));
      } catch (const Error& error) {  // no disk will take the others either
        rejects_failed_ = true;
        fault(error.what());
      }
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
    if (over() || stopping()) return log("while it stops: " + why);
    if (message_.empty()) message_ = why;
    change(RunEvent::kFault);
    begin_stop();
  }

  void begin_stop() {
    stop_began_ = Clock::now();
    pill_all(Pill::kStop);
  }

  // Stopping is bounded: pill, SIGTERM, SIGKILL.
  void press_on() {
    if (!stopping() && state_ != RunState::kEnding) return;
    const auto waited = Clock::now() - stop_began_;
    const Millis grace = stopping() ? kStopGrace : kEndGrace;
    if (pressure_ == 0 && waited > grace) {
      pressure_ = 1;
      host_.terminate_all();
    } else if (pressure_ == 1 && waited > grace + kStopGrace / 2) {
      pressure_ = 2;
      host_.kill_all();
    }
  }

  void take_signals() {
    while (const std::optional<std::string> signal = signals_.take()) {
      note(*signal);
      if (stopping()) {  // the second one
        host_.kill_all();
      } else if (!over()) {
        change(RunEvent::kSignal);
        if (!stopping()) {  // too late: it is being published, unless that hangs
          if (++late_signals_ > 1) {
            message_ =
                *signal + ", the second, while outputs were being published: some may be there";
            host_.kill_all();
          }
          continue;
        }
        message_ = "interrupted by " + *signal;
        begin_stop();
      }
    }
  }

  // ── waiting and telling ──

  void wait() {
    auto until = last_observed_ + options_.interval;
    if (const auto next = crew_->next_start()) until = std::min(until, *next);
    if (stopping() || state_ == RunState::kEnding) {
      until = std::min(until, Clock::now() + Millis{100});
    }
    const auto left = std::chrono::ceil<Millis>(until - Clock::now()).count();
    pollfd fds[] = {{router_.fd(), POLLIN, 0}, {host_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
    ::poll(fds, 3, static_cast<int>(std::clamp<int64_t>(left, 0, 1000)));
  }

  Snapshot snapshot() {
    Snapshot now = take_snapshot(plan_, ledger_, host_.arena(), crew_->restarts());
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
    // Sinks remove theirs when they stop; one that was killed could not.
    if (state_ != RunState::kDone) remove_unfinished_files(folder_.file("tmp"));
    if (state_ == RunState::kInterrupted && message_.empty()) message_ = "interrupted";
    result.exit_code = state_ == RunState::kDone ? 0 : state_ == RunState::kFailed ? 1 : 130;
    const auto attempt = [this, &result](auto step) {
      try {
        step();
      } catch (const Error& error) {
        result.exit_code = 1;
        message_ += (message_.empty() ? "" : "\n") + std::string(error.what());
      }
    };
    if (state_ == RunState::kDone) attempt([this] { ledger_.check_balance(); });
    attempt([this] { rejects_.finish(); });
    if (rejects_.count() > 0) {
      result.rejects = rejects_.path();
      if (result.exit_code == 0) result.exit_code = 3;
    }
    result.folder = folder_.path();
    result.ledger = snapshot();
    std::vector<RunDb::StageRow> rows;
    for (const StageSnapshot& stage : result.ledger.stages) {
      rows.push_back({stage.name, stage.workers, stage.restarts, stage.leases, stage.in, stage.out,
                      stage.filtered, stage.rejected, stage.bytes});
    }
    if (db_ && !db_failed_) {
      attempt([&] {
        db_->end(result.ledger.status, result.exit_code, message_, rows);
        db_->flush();
      });
    }
    result.message = message_;
    folder_.remove_temporary();
    keeper_.release();
    std::error_code ignored;  // a keeper that was killed leaves the folder to us
    std::filesystem::remove_all(keeper_.session().folder(), ignored);
    observe(true);
    return result;
  }

  const Plan& plan_;
  const RunOptions& options_;
  Signals signals_;
  RunFolder folder_;
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
  std::optional<Crew> crew_;
  std::vector<Ledger::Work> work_;
  std::vector<Ledger::GrantedRoom> rooms_;
  std::string message_;
  Clock::time_point began_, last_observed_{}, stop_began_{};
  int pressure_ = 0;
  int late_signals_ = 0;
  bool db_failed_ = false, rejects_failed_ = false;
  bool publishing_ = false;  // sinks were told to make visible what they prepared
};

}  // namespace

RunResult run_plan(const Plan& plan, const RunOptions& options) {
  int workers = 0;
  for (const PlanStage& stage : plan.stages) workers += stage.workers;
  make_sure_of_descriptors(workers);
  return Coordinator(plan, options).run();
}

}  // namespace towpath
