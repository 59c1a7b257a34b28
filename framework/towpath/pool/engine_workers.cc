#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <new>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/pool/engine.h"
#include "towpath/pool/errors.h"
#include "towpath/process/method.h"
#include "towpath/process/remote_error.h"

namespace towpath::pools {
namespace {

constexpr Millis kStartPause{100};  // doubled with each failure in a row
constexpr Millis kMaxStartPause{10'000};
constexpr Millis kSoon{1'000};       // after its start
constexpr int kMaxOwnDeaths = 3;     // in a row, of workers that were starting
constexpr int kMaxOuterDeaths = 64;  // the same by SIGKILL or SIGTERM

std::string how_it_ended(int exitcode) {
  if (exitcode >= 0) return format("exited with code {}", exitcode);
  return format("was killed by signal {} ({})", -exitcode, ::strsignal(-exitcode));
}

}  // namespace

// ── Workers ──

// Workers to be started now.
int Engine::missing() const {
  if (stop_ > Stop::kClose || broken_) return 0;
  int live = 0;
  int free = 0;
  for (const auto& member : members_) {
    if (member->life > Member::Life::kReady) continue;
    ++live;
    if (member->idle()) ++free;
  }
  int want = target_ - live;
  if (on_demand_ || stop_ == Stop::kClose) {
    const auto tasks = static_cast<int>(std::min<uint64_t>(backlog_.tasks(), 1'000'000));
    want = std::min(want, tasks - free);
  }
  return std::max(0, want);
}

void Engine::start_missing(std::unique_lock<std::mutex>& lock) {
  while (missing() > 0 && Clock::now() >= start_at_) {
    // By fork the thread, being one, can't.
    if (options_.method.value_or(get_start_method()) == Method::kFork) {
      options_.method = Method::kForkserver;
      log(Level::kInfo, format("{}: a pool with threads can't fork: further workers come from the "
                               "forkserver",
                               options_.name));
    }
    const int of_workers = target_;
    lock.unlock();
    std::unique_ptr<Member> member;
    std::exception_ptr error;
    try {
      member = make_member(of_workers);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    try {
      if (error) std::rethrow_exception(error);
      add(std::move(member));
    } catch (const std::exception& why) {
      log(Level::kWarning, format("{}: a worker can't be started: {}", options_.name, why.what()));
      // With others at work it is less of a trouble.
      failed_start(std::current_exception(),
                   members_.empty() ? kMaxOwnDeaths : std::numeric_limits<int>::max());
    }
  }
}

void Engine::failed_start(const std::exception_ptr& why, int limit) {
  const int doublings = std::min(failed_starts_, 7);
  start_at_ = Clock::now() + std::min(kStartPause * (1 << doublings), kMaxStartPause);
  if (++failed_starts_ >= limit) break_with(why);
}

void Engine::retire(Member& member) {
  member.life = std::max(member.life, Member::Life::kRetiring);
  take_back(member);
}

// SIGKILL, for a reason; what it has not begun was taken back.
void Engine::kill(Member& member, Member::Doom doom) {
  if (member.doom == Member::Doom::kNone) member.doom = doom;
  member.life = Member::Life::kEnding;
  member.was_stopped = member.process().is_stopped();
  member.process().kill();
}

void Engine::fault(Member& member, const std::string& what) {
  member.note_nonsense(what);
  if (member.doom == Member::Doom::kNone) member.doom = Member::Doom::kNonsense;
  log(Level::kError, format("{}: worker {} is killed: {}", options_.name, member.name(), what));
  member.life = Member::Life::kEnding;
  member.process().kill();
}

// What it has not begun goes back to the others.
void Engine::take_back(Member& member) {
  std::vector<Parcel> back;
  member.take_back(back);
  undispatched_ |= !back.empty();
  backlog_.put_back(std::move(back));
}

// All that it has fails for this reason.
void Engine::give_up(Member& member, const std::exception_ptr& error) {
  std::vector<Parcel> all;
  for (Parcel& parcel : member.bury(all)) all.push_back(std::move(parcel));
  for (Parcel& parcel : all) {
    deliveries_.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, error});
  }
}

void Engine::break_with(const std::exception_ptr& error) {
  broken_ = error;
  intake_.shut();
  take_in();
  backlog_.fail_all(error, deliveries_);
  for (const auto& member : members_) {
    give_up(*member, error);
    if (member->life < Member::Life::kEnding) {
      member->life = Member::Life::kEnding;
      member->process().terminate();
      member->signal_at = Clock::now() + kGrace;
      member->was_asked = true;
    }
  }
}

// ── What workers say ──

void Engine::read(Member& member, std::vector<Arrived>& arrived) {
  if (member.hung_up) return;
  try {
    Connection::Received received = member.connection().receive(Millis{0});
    const std::string_view bytes = received.bytes();
    Arrived one{&member, {}, {}};
    if (bytes.size() < sizeof one.head) throw Invalid("a message without a head");
    std::memcpy(&one.head, bytes.data(), sizeof one.head);
    one.body = bytes.substr(sizeof one.head);
    arrived.push_back(std::move(one));
    return;
  } catch (const Empty&) {
    return;  // it was for nothing
  } catch (const Invalid& error) {
    member.note_nonsense_on_line(error.what());
  } catch (const SystemError& error) {
    give_up_reading(member, error);
  } catch (const std::bad_alloc&) {
    // The message is lost, and with it what became of its tasks.
    give_up_reading(member, SystemError("no memory for its results", ENOMEM));
  } catch (const Error&) {
    // Closed.
  }
  // Its sentinel says when it has ended; one that lives on without its connection is of no use.
  member.hung_up = true;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.connection().fileno(), nullptr);
}

void Engine::give_up_reading(Member& member, const Error& why) const {
  member.unread = why.what();
  log(Level::kError, format("{}: what worker {} sends can't be read, and it will be killed: {}",
                            options_.name, member.name(), why.what()));
}

void Engine::handle(Arrived& arrived) {
  Member& member = *arrived.member;
  try {
    switch (arrived.head.kind) {
      case ResultsHead::kReady:
        if (member.heard_of) throw Invalid("a worker said twice that it is ready");
        member.heard_of = true;
        member.first_memory = arrived.head.memory;
        member.heard_at = Clock::now();
        if (member.life == Member::Life::kStarting) member.life = Member::Life::kReady;
        return;
      case ResultsHead::kFailed:
        if (member.heard_of) throw Invalid("a worker that was ready said that it failed to start");
        member.life = std::max(member.life, Member::Life::kRetiring);
        break_with(exception_of(from_bytes<RemoteTrace>(arrived.body)));
        return;
      case ResultsHead::kResults:
        break;
      default:
        throw Invalid("a message of no known kind");
    }
    if (member.idle()) return;  // its tasks were given up: terminated, or broken
    const uint32_t code = member.shipments().front().head.code;
    member.accept(arrived.head, std::move(arrived.body), deliveries_);
    if (arrived.head.nanoseconds > 0 && arrived.head.count > 0) {
      backlog_.measured(code, arrived.head.nanoseconds / arrived.head.count);
    }
    failed_starts_ = 0;
    if (options_.recycle_growth != 0 && arrived.head.memory != 0 &&
        member.life == Member::Life::kReady &&
        arrived.head.memory > member.first_memory + options_.recycle_growth) {
      retire(member);
    }
  } catch (const Invalid& error) {
    fault(member, error.what());
  }
}

// A worker has ended: its last words, its tasks, its place.
void Engine::bury(Member& member) {
  std::vector<Arrived> last;
  for (size_t before = ~size_t{0}; before != last.size() && !member.hung_up;) {
    before = last.size();
    read(member, last);
  }
  for (Arrived& each : last) handle(each);
  try {
    member.look(deliveries_);
  } catch (const Invalid&) {
    // It had gone mad: its tasks fail below.
  }
  member.process().join(Millis{0});
  const int exitcode = member.process().exitcode().value_or(-SIGKILL);
  std::vector<Parcel> back;
  std::vector<Parcel> ran = member.bury(back);
  const bool of_use = member.was_of_use() || !ran.empty();
  for (Parcel& parcel : ran) fail_running(member, std::move(parcel), exitcode);
  backlog_.put_back(std::move(back));
  // A raw fork of the program may hold copies of these, by which they would stay.
  if (!member.hung_up)
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.connection().fileno(), nullptr);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.process().sentinel(), nullptr);

  const bool starting = member.life == Member::Life::kStarting;
  const bool soon = member.life == Member::Life::kReady && Clock::now() - member.made_at < kSoon;
  if (of_use || !(starting || soon)) return;
  std::string what = format("{}: worker {} (pid {}) {} {}", options_.name, member.name(),
                            member.process().pid(), how_it_ended(exitcode),
                            starting ? "while it started" : "soon after its start, with no task");
  if (const auto why = member.process().error()) what += format(": {}", *why);
  log(Level::kWarning, what);
  const bool from_outside = exitcode == -SIGKILL || exitcode == -SIGTERM;
  const auto error = std::make_exception_ptr(
      WorkerDied(format("{}; the last of {} in a row", what, failed_starts_ + 1), member.name(),
                 member.process().pid(), exitcode, -1));
  if (!from_outside) {
    failed_start(error, kMaxOwnDeaths);
  } else if (++failed_starts_ >= kMaxOuterDeaths) {
    break_with(error);
  }
}

void Engine::fail_running(Member& member, Parcel parcel, int exitcode) {
  const int pid = member.process().pid();
  std::string why;
  if (const auto error = member.process().error()) why = format(": {}", *error);
  if (!member.nonsense().empty())
    why += format("; what it wrote made no sense: {}", member.nonsense());
  if (!member.unread.empty()) why += format("; its results could not be read: {}", member.unread);
  ++parcel.attempts;
  const auto task = static_cast<int64_t>(parcel.first);
  std::exception_ptr error;
  switch (member.doom) {
    case Member::Doom::kDeadline:
      error = std::make_exception_ptr(DeadlinePassed(format(
          "worker {} (pid {}): task {} ran longer than its deadline of {} ms and was killed{}",
          member.name(), pid, task, parcel.deadline.count(),
          member.was_stopped ? "; the worker was stopped (SIGSTOP, or Ctrl-Z)" : "")));
      break;
    case Member::Doom::kKilled:
      error = std::make_exception_ptr(Cancelled(
          format("worker {} (pid {}): task {} was killed while it ran", member.name(), pid, task)));
      break;
    case Member::Doom::kTerminated:
      error = std::make_exception_ptr(Closed(format("{}: it was terminated", options_.name)));
      break;
    case Member::Doom::kNone:
    case Member::Doom::kStalled:
    case Member::Doom::kNonsense:
      if (parcel.retries > 0 && parcel.count == 1 && !parcel.receiver->cancelled) {
        --parcel.retries;
        parcel.receiver->member_ = 0;
        std::vector<Parcel> again;
        again.push_back(std::move(parcel));
        backlog_.put_back(std::move(again));
        return;
      }
      error = std::make_exception_ptr(
          WorkerDied(format("worker {} (pid {}) {} while it ran task {}, attempt {}{}",
                            member.name(), pid, how_it_ended(exitcode), task, parcel.attempts, why),
                     member.name(), pid, exitcode, task));
      break;
  }
  deliveries_.push_back({parcel.receiver, parcel.first, parcel.count, {}, std::move(error)});
}

}  // namespace towpath::pools
