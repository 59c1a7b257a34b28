#include "towpath/coordinator/coordinator.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
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
#include "towpath/coordinator/crew.h"
#include "towpath/coordinator/epochs.h"
#include "towpath/coordinator/fault_texts.h"
#include "towpath/coordinator/ledger.h"
#include "towpath/coordinator/rejects.h"
#include "towpath/coordinator/signals.h"
#include "towpath/coordinator/snapshots.h"
#include "towpath/coordinator/states.h"
#include "towpath/coordinator/unchanged.h"
#include "towpath/host/descriptors.h"
#include "towpath/host/host.h"
#include "towpath/input/glob.h"
#include "towpath/memory/arena_view.h"
#include "towpath/process/keeper.h"
#include "towpath/run/run_db.h"
#include "towpath/run/run_folder.h"
#include "towpath/worker/input_list.h"
#include "towpath/worker/open_batch.h"
#include "towpath/worker/unfinished.h"

namespace towpath {
namespace {

constexpr int kMaxKills = 64;       // of stages with state and sinks, between two epochs
constexpr uint32_t kMaxDeaths = 3;  // of workers that computed one lease, by their own doing
// From the pill to SIGTERM; from there to SIGKILL it is half of the first.
constexpr Millis kStopGrace{4000};
constexpr Millis kEndGrace{60'000};  // sinks may have much to close
constexpr Millis kDrainGrace{5000};  // from a signal to the epoch that it asks for
// `timeout`, say, sends one to the process and to its group: the same comes twice.
constexpr Millis kSameSignal{100};

class Coordinator {
 public:
  // Goes on with what is recorded, if it is.
  Coordinator(const Plan& plan, const RunOptions& options, RunFolder folder,
              std::optional<RecordedRun> recorded)
      : plan_(plan),
        options_(options),
        signals_(options.handle_signals),
        folder_(std::move(folder)),
        recorded_(std::move(recorded)),
        keeper_(Session::create_own()),
        host_(plan.memory, folder_.lock_fd()),
        rejects_(folder_, plan),
        epochs_(folder_, Millis{plan.epoch_ms}),
        address_(keeper_.session().address("c")),
        router_(address_),
        began_(Clock::now()) {
    ledger_.emplace(plan, host_.arena());
    view_.emplace(UniqueFd(::fcntl(host_.arena().fd(), F_DUPFD_CLOEXEC, 0)));
    log_.reset(
        ::open(folder_.file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log_) throw_errno(format("open({})", folder_.file("log")));
    crew_.emplace(
        plan, host_,
        Crew::Surroundings{address_, folder_.file("tmp"), folder_.file("states"),
                           folder_.file("inputs"), log_.get()},
        [this](const Crew::Member& member, const std::string& text) { note(member, text); });
  }

  RunResult run() {
    try {
      // First of all, because a process with threads can't fork; run.db has one.
      std::optional<EpochRecord> epoch;
      if (recorded_) epoch = epochs_.resume(*recorded_);
      begin_from(std::move(epoch));
      db_ = std::make_unique<RunDb>(folder_.file("run.db"));
      if (recorded_) {
        db_->resumed();
      } else {
        note_plugins();
        db_->begin(folder_.id(), plan_.pipeline, plan_.config, plan_.config_text, to_bytes(plan_));
      }
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
      if (host_.alive() > 0) continue;
      if (state_ == RunState::kRewinding) {
        try {
          begin_again();
        } catch (const Error& error) {  // those that were started stop in order
          fault(error.what());
        }
      } else if (state_ == RunState::kEnding || stopping()) {
        change(RunEvent::kAllLeft);
      }
    }
    return close();
  }

 private:
  using Member = Crew::Member;

  // A run that goes on must do so with the same stages.
  void note_plugins() const {
    std::map<std::string, FoundFile> plugins;
    for (const PlanStage& stage : plan_.stages) {
      for (const Step& step : stage.steps) {
        if (const auto file = look_at_file(step.plugin)) plugins[step.plugin] = *file;
      }
    }
    std::vector<FoundFile> files;
    for (auto& [path, file] : plugins) files.push_back(std::move(file));
    save_input_list(folder_.file("inputs/plugins"), files);
  }

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
      ledger_->worker_restarted(member.seat);
      crew_->start(member, {ledger_->token(member.seat.stage), std::nullopt});
    }
  }

  void take_deaths() {
    // What a worker sent before it died may still lie in the inbox: a commit counts if it comes
    // before the death is known, and is stale afterwards.
    for (const Host::Ended& ended : host_.reap()) worker_ended(crew_->of_key(ended.key), ended);
  }

  void worker_ended(Member& member, const Host::Ended& ended) {
    const PlanStage& stage = crew_->stage(member);
    const std::optional<Ledger::Held> held = ledger_->held_by(member.seat);
    const std::string death = describe_death(crew_->name(member), ended, held, kMaxDeaths, *view_);
    // Killed or terminated: from outside, never the data's fault.
    const bool from_outside = ended.exitcode == -SIGKILL || ended.exitcode == -SIGTERM;
    crew_->forget(member);
    ledger_->worker_gone(member.seat, !from_outside);
    if (stopping() || (member.pill && ended.exitcode == 0)) return;
    if (state_ == RunState::kRewinding) return;  // that is told once for all
    note(member, format("ended: {}", show_exit(ended.exitcode)));
    const bool all_done = ledger_->ended(stage.id);
    if (state_ == RunState::kEnding && stage.role == Role::kSink) {
      return clear_away_behind(member, death, from_outside);
    }
    if (stage.role == Role::kSink || (stage.stateful && !all_done)) {
      return rewind(death, from_outside);
    }
    if (state_ != RunState::kRunning || all_done) return;  // it had nothing left to do
    if (held && !from_outside && held->deaths + 1 >= kMaxDeaths) return fault(death);
    if (const std::optional<int> in_a_row = crew_->replace(member, from_outside)) {
      fault(format("{}; {} workers of this stage died in a row, and no lease was done", death,
                   *in_a_row));
    }
  }

  // It took too long, or was to end at once.
  bool by_us() const { return pressure_ > 0 || late_signals_ > 1; }

  // All is visible, but the sink has not cleared away what it needed to come that far.
  void clear_away_behind(Member& member, const std::string& death, bool from_outside) {
    if (by_us() || !from_outside || ++kills_since_epoch_ >= kMaxKills) return fault(death);
    crew_->start(member, {epochs_.last_position(member.seat.stage), std::nullopt});
    member.pill = Pill::kEnd;  // it gets it once it is there
  }

  // What a stage had gathered, or a sink had not made durable, is lost with its process. All go
  // back to the last epoch.
  void rewind(const std::string& death, bool from_outside) {
    if (by_us()) return fault(death);
    if (interrupted_at_) return stop_now();  // from the last epoch it goes on later
    if (epochs_.rewinds() == 0) deaths_since_epoch_ = kills_since_epoch_ = 0;
    int& deaths = from_outside ? kills_since_epoch_ : deaths_since_epoch_;
    if (++deaths >= (from_outside ? kMaxKills : static_cast<int>(kMaxDeaths))) {
      return fault(format("{}; it was the {}th since an epoch was recorded", death, deaths));
    }
    note(format("{}; the run goes back to epoch {}", death, epochs_.last_number()));
    change(RunEvent::kRewind);
    crew_->give_up();
    host_.kill_all();
  }

  void begin_again() {
    std::optional<EpochRecord> epoch;
    if (db_) epoch = epochs_.go_back(*db_);
    host_.renew_arena();
    view_.emplace(UniqueFd(::fcntl(host_.arena().fd(), F_DUPFD_CLOEXEC, 0)));
    ledger_.emplace(plan_, host_.arena());
    begin_from(std::move(epoch));
    change(RunEvent::kAllLeft);
  }

  // From the start, if there is no epoch.
  void begin_from(std::optional<EpochRecord> epoch) {
    rejects_.restore(epoch ? epoch->reject_bytes : std::vector<uint64_t>());
    for (Member& member : crew_->members()) {
      Crew::Origin origin;
      if (epoch) {
        const PlanStage& stage = crew_->stage(member);
        const EpochRecord::StageAt& at = epoch->stages[static_cast<size_t>(stage.id)];
        origin.token = stage.role == Role::kSink ? at.saved : at.token;
        if (stage.stateful && !at.saved.empty()) origin.state = at.saved;
      }
      crew_->start(member, origin);
    }
    if (epoch) ledger_->restore(std::move(*epoch));
    if (epochs_.state() == EpochState::kCommitting) ledger_->commit_again(epochs_.last_number());
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

  void is_ready(const Member& member, const Ready& ready) {
    if (member.pill) {  // before it spoke, its pill could not reach it
      send(member, ToWorker::kPill, *member.pill);
    } else {
      ledger_->worker_ready(member.seat, ready.next_port, ready.state);
    }
  }

  void handle(Member& member, const std::string& bytes) {
    Decoder in(bytes);
    switch (message_kind<FromWorker>(in)) {
      case FromWorker::kReady:
        is_ready(member, towpath::decode<Ready>(in));
        break;
      case FromWorker::kCommit:
        for (Commit& commit : towpath::decode<std::vector<Commit>>(in)) {
          const bool final = commit.final;
          if (ledger_->commit(member.seat, std::move(commit)) && final) {
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
    if (stopping() || over() || state_ == RunState::kRewinding) return;
    ledger_->answer(work_, rooms_);
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
      ledger_->worker_pilled(member.seat);
      send(member, ToWorker::kPill, pill);
    }
  }

  // ── the run ──

  void go_on() {
    if (state_ == RunState::kRewinding) return;
    take_rejects();
    if (const auto overflow = ledger_->state_overflow(); overflow && !stopping()) {
      fault(describe_overflow(*overflow, plan_));
    }
    if (state_ == RunState::kRunning) {
      if (ledger_->all_ended()) {
        change(RunEvent::kStagesEnded);
      } else if (interrupted_at_ && epochs_.state() == EpochState::kNone) {
        // Sources rest, and the cut comes in a moment.
      } else if (ledger_->stall() && !crew_->replacing()) {
        // Only an empty answer makes it a stall: leases may be at hand.
        send_answers();
        const std::optional<Ledger::Stall> stall = ledger_->stall();
        if (stall && epochs_.revoke(*ledger_)) {
          if (interrupted_at_) return stop_now();
        } else if (stall && !ledger_->relieve(*stall)) {
          fault(describe_stall(*stall, plan_, *ledger_, host_.arena()));
        }
      }
    }
    if (!db_ || stopping() || over()) return;
    const bool ended = state_ != RunState::kRunning;
    epochs_.go_on(*ledger_, *db_, rejects_, *view_, ended);
    stop_if_interrupted();
    if (state_ == RunState::kPreparing && epochs_.final_recorded()) {
      note("the final epoch is recorded");
      change(RunEvent::kPrepared);
    }
    if (state_ == RunState::kCommitting && epochs_.final_visible()) {
      change(RunEvent::kCommitted);
      stop_began_ = Clock::now();
      pill_all(Pill::kEnd);
    }
  }

  void take_rejects() {
    while (const std::optional<Ledger::RejectBatch> reject = ledger_->next_reject()) {
      try {
        if (!rejects_failed_ && !reject->known)
          rejects_.add(reject->stage, open_batch(reject->batch, *view_));
      } catch (const Error& error) {  // no disk will take the others either
        rejects_failed_ = true;
        fault(error.what());
      }
      ledger_->reject_taken(*reject);
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
    if (message_.empty() || interrupted_at_) message_ = why;
    change(RunEvent::kFault);
    begin_stop();
  }

  void begin_stop() {
    stop_began_ = Clock::now();
    pill_all(may_go_on() ? Pill::kLeave : Pill::kStop);
  }

  // An epoch is on the disk, or may be. What a program has begun goes on nowhere else.
  bool may_go_on() const {
    if (plan_.config.empty()) return false;
    return epochs_.last_number() > 0 || epochs_.state() == EpochState::kRecording;
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
      const bool same = interrupted_at_ && Clock::now() - *interrupted_at_ < kSameSignal;
      if (same) continue;
      note(*signal);
      if (stopping()) {  // the second one
        host_.kill_all();
      } else if (state_ == RunState::kEnding) {
        // Too late: it is being published, unless that hangs.
        if (++late_signals_ > 1) {
          message_ =
              *signal + ", the second, while outputs were being published: some may be there";
          host_.kill_all();
        }
      } else if (interrupted_at_) {  // the second one
        stop_now();
        host_.kill_all();
      } else if (!over()) {
        interrupt(*signal);
      }
    }
  }

  // What was done so far becomes an epoch, so that the run can go on later; if that does not take
  // too long.
  void interrupt(const std::string& signal) {
    message_ = "interrupted by " + signal;
    interrupted_at_ = Clock::now();
    epoch_before_ = epochs_.last_number();
    const bool drains = state_ == RunState::kRunning || state_ == RunState::kPreparing;
    if (!drains || !db_ || plan_.config.empty() || epochs_.final_recorded()) return stop_now();
    ledger_->stop_reading();
    epochs_.hasten();
  }

  void stop_now() {
    change(RunEvent::kSignal);
    begin_stop();
  }

  void stop_if_interrupted() {
    if (!interrupted_at_ || stopping() || over()) return;
    const bool drained = epochs_.last_number() > epoch_before_;
    if (drained || Clock::now() > *interrupted_at_ + kDrainGrace) stop_now();
  }

  // ── waiting and telling ──

  void wait() {
    auto until = last_observed_ + options_.interval;
    if (state_ == RunState::kRunning && epochs_.state() == EpochState::kNone &&
        !epochs_.final_recorded()) {
      until = std::min(until, epochs_.due());
    }
    if (const auto next = crew_->next_start()) until = std::min(until, *next);
    if (stopping() || state_ == RunState::kEnding) {
      until = std::min(until, Clock::now() + Millis{100});
    }
    const auto left = std::chrono::ceil<Millis>(until - Clock::now()).count();
    const bool recording =
        epochs_.state() == EpochState::kRecording || epochs_.state() == EpochState::kCommitting;
    pollfd fds[] = {{router_.fd(), POLLIN, 0},
                    {host_.fd(), POLLIN, 0},
                    {signals_.fd(), POLLIN, 0},
                    {recording ? db_->wake_fd().get() : -1, POLLIN, 0}};
    ::poll(fds, 4, static_cast<int>(std::clamp<int64_t>(left, 0, 1000)));
  }

  Snapshot snapshot() {
    Snapshot now = take_snapshot(plan_, *ledger_, host_.arena(), crew_->restarts());
    now.run = folder_.id();
    now.epochs = static_cast<int64_t>(epochs_.last_number());
    now.rewinds = epochs_.all_rewinds();
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
    if (state_ == RunState::kDone) attempt([this] { ledger_->check_balance(); });
    result.resumable = state_ != RunState::kDone && may_go_on();
    if (epochs_.last_number() == 0 && result.resumable) {  // its first epoch is being recorded
      record([this] { db_->flush(); });
      result.resumable = !db_failed_;
    }
    attempt([&] { rejects_.finish(result.resumable); });
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
    // Sinks remove theirs when they stop; one that was killed could not.
    if (state_ != RunState::kDone && !result.resumable) {
      remove_unfinished_files(folder_.file("tmp"));
    }
    if (!result.resumable) folder_.remove_origin();
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
  const std::optional<RecordedRun> recorded_;
  Keeper keeper_;
  Host host_;
  std::optional<Ledger> ledger_;
  RejectFile rejects_;
  Epochs epochs_;
  std::optional<ArenaView> view_;
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
  std::optional<Clock::time_point> interrupted_at_;
  uint64_t epoch_before_ = 0;  // the interrupt
  bool db_failed_ = false, rejects_failed_ = false;
  int deaths_since_epoch_ = 0, kills_since_epoch_ = 0;  // of stages with state, and of sinks
};

void make_sure_of_descriptors_for(const Plan& plan) {
  int workers = 0;
  for (const PlanStage& stage : plan.stages) workers += stage.workers;
  make_sure_of_descriptors(workers);
}

}  // namespace

RunResult run_plan(const Plan& plan, const RunOptions& options) {
  make_sure_of_descriptors_for(plan);
  return Coordinator(plan, options, RunFolder::create(options.runs, plan.pipeline), std::nullopt)
      .run();
}

RunResult resume_run(const std::string& folder, const RunOptions& options) {
  RunFolder own = RunFolder::open(folder);
  RecordedRun recorded = read_run(own.file("run.db"));
  if (recorded.status == "done") {
    throw Invalid(format("{} is done; to run it anew: towpath run {}", folder, recorded.config));
  }
  if (recorded.config.empty()) {
    throw Invalid(format(
        "{} was begun by a program that embeds Towpath, and can go on nowhere else", folder));
  }
  if (recorded.epoch == 0) {
    throw Invalid(format("{} has recorded no epoch to go on from: towpath run {} begins anew",
                         folder, recorded.config));
  }
  const auto plan = from_bytes<Plan>(recorded.plan);
  check_unchanged(recorded, own.file("inputs"));
  make_sure_of_descriptors_for(plan);
  return Coordinator(plan, options, std::move(own), std::move(recorded)).run();
}

}  // namespace towpath
