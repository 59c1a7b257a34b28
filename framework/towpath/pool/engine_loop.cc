#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <limits>
#include <new>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/pool/engine.h"
#include "towpath/pool/errors.h"

namespace towpath::pools {
namespace {

constexpr size_t kDepth = 3;   // shipments at a worker
constexpr size_t kEnough = 2;  // of these: then more can wait until it has brought one to an end
constexpr Millis kMaxLook{16};

}  // namespace

// ── Time ──

void Engine::watch_deadline(Member& member, Clock::time_point now) {
  if (member.deadline_at > now) return;
  if (member.doom != Member::Doom::kNone) {  // its end is under way
    member.deadline_at = kNever;
    return;
  }
  member.check_claims();  // it could seem for ever that no task runs
  const auto expiry = member.expiry(now);
  if (expiry > now) {
    member.deadline_at = expiry;
    return;
  }
  const bool ran = member.running().has_value();
  // It may have come to its end meanwhile, and the next begun; behind this none begins.
  std::vector<Parcel> back;
  member.take_back(back);
  const bool runs = member.running().has_value();
  if (runs && member.expiry(now) <= now) {
    kill(member, Member::Doom::kDeadline);
    member.deadline_at = kNever;
  } else if (!ran && !runs) {
    stalled(member, back);
    member.deadline_at = kNever;
  }
  undispatched_ |= !back.empty();
  backlog_.put_back(std::move(back));
}

// A worker has had a task for the time of its deadline and has not begun it. It goes to another,
// which costs none of its retries.
void Engine::stalled(Member& member, std::vector<Parcel>& back) {
  const bool stopped = member.process().is_stopped();
  const std::string what =
      format("worker {} (pid {}) {}", member.name(), member.process().pid(),
             stopped ? "was stopped (SIGSTOP, or Ctrl-Z) and began no task" : "began no task");
  log(Level::kWarning, format("{}: {} within its deadline, and is killed", options_.name, what));
  kill(member, Member::Doom::kStalled);
  const std::optional<Parcel> task = Backlog::take_stalled(back);
  if (!task) return;
  deliveries_.push_back(
      {task->receiver,
       task->first,
       task->count,
       {},
       std::make_exception_ptr(DeadlinePassed(
           format("task {} has a deadline of {} ms, and {} workers one after another did not begin "
                  "it in that time; the last: {}. It never ran",
                  task->first, task->deadline.count(), task->stalls, what)))});
}

// A worker that has long said nothing: the results it holds back are looked at, the tasks it has
// not begun go to one that is idle.
void Engine::watch_stuck(Member& member, Clock::time_point now) {
  if ((member.tasks() < 2 && !member.has_unbegun()) || member.life == Member::Life::kEnding) {
    member.look_at = kNever;
    return;
  }
  if (member.look_at == kNever) member.look_at = member.heard_at + member.look_after;
  if (now < member.look_at) return;
  if (now - member.heard_at >= member.look_after) {
    try {
      const auto heard = member.heard_at;
      member.look(deliveries_);
      member.heard_at = heard;
    } catch (const Invalid& error) {
      fault(member, error.what());
      return;
    }
    const bool another_idle = std::ranges::any_of(members_, [](const auto& other) {
      return other->life == Member::Life::kReady && other->idle();
    });
    const bool another_to_come = on_demand_ && static_cast<int>(members_.size()) < target_;
    if (backlog_.empty() && (another_idle || another_to_come)) {
      take_back(member);
    }
    member.look_after = std::min(member.look_after * 2, kMaxLook);
  }
  member.look_at = now + member.look_after;
}

void Engine::watch_time() {
  const auto now = Clock::now();
  for (const auto& each : members_) {
    Member& member = *each;
    watch_deadline(member, now);
    watch_stuck(member, now);
    if (!member.nonsense().empty() && member.doom == Member::Doom::kNone)
      fault(member, std::string(member.nonsense()));
    if (member.hung_up && member.life < Member::Life::kEnding && member.signal_at == kNever) {
      member.signal_at = now + kGrace;
    }
    if (member.signal_at <= now) {
      if (member.was_asked || member.hung_up) {
        member.process().kill();
        member.signal_at = kNever;
      } else {
        if (member.doom == Member::Doom::kNone) {
          log(Level::kWarning, format("{}: worker {} (pid {}) should have exited by now: SIGTERM",
                                      options_.name, member.name(), member.process().pid()));
        }
        member.process().terminate();
        member.was_asked = true;
        member.signal_at = now + kGrace;
      }
    }
    if (options_.idle_timeout != kForever && member.life == Member::Life::kReady && member.idle() &&
        backlog_.empty() && now - member.heard_at >= options_.idle_timeout) {
      retire(member);
    }
  }
}

int Engine::poll_timeout() const {
  auto next = kNever;
  for (const auto& member : members_) {
    next = std::min({next, member->deadline_at, member->look_at, member->signal_at});
    if (!member->idle() && !member->hung_up) next = std::min(next, member->listen_at);
    if (member->has_unsent()) next = std::min(next, Clock::now() + Millis{5});
    if (options_.idle_timeout != kForever && member->life == Member::Life::kReady &&
        member->idle()) {
      next = std::min(next, member->heard_at + options_.idle_timeout);
    }
  }
  if (missing() > 0) next = std::min(next, start_at_);
  if (next == kNever) return -1;
  const auto left = std::chrono::ceil<Millis>(next - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000'000));
}

// ── The loop ──

// Too many, recycled, closed: who is to go.
void Engine::settle() {
  if (stop_ > Stop::kClose && !stopping_) end_all();
  int live = 0;
  for (const auto& member : members_) {
    if (member->life > Member::Life::kReady) continue;
    const bool used_up = options_.recycle_after != 0 && member->idle() &&
                         member->tasks_shipped >= options_.recycle_after;
    const bool done = stop_ == Stop::kClose && backlog_.empty() && member->tasks() == 0;
    if (used_up || done) {
      retire(*member);
    } else {
      ++live;
    }
  }
  // Of too many, who works goes on as long as others have nothing to do.
  for (const bool working : {false, true}) {
    for (auto each = members_.rbegin(); each != members_.rend() && live > target_; ++each) {
      Member& member = **each;
      if (member.life > Member::Life::kReady || member.idle() == working) continue;
      retire(member);
      --live;
    }
  }
  for (const auto& member : members_) {
    // Not only who is idle: one that is stopped never says that of what was taken back from it.
    if (member->life == Member::Life::kRetiring && member->tasks() == 0 && !member->has_unsent()) {
      member->send_pill();
      member->life = Member::Life::kEnding;
      member->signal_at =
          options_.exit_grace == kForever ? kNever : Clock::now() + options_.exit_grace;
    }
  }
}

void Engine::end_all() {
  stopping_ = true;
  take_in();
  const auto why = std::make_exception_ptr(Closed(format("{}: it was terminated", options_.name)));
  backlog_.fail_all(why, deliveries_);
  for (const auto& member : members_) {
    const bool works = !member->idle();
    member->doom = Member::Doom::kTerminated;
    give_up(*member, why);
    member->deadline_at = kNever;
    if (stop_ == Stop::kKill) {
      member->process().kill();
    } else if (works || member->life == Member::Life::kStarting) {
      member->process().terminate();
      member->was_asked = true;
    } else if (member->life != Member::Life::kEnding) {
      member->send_pill();
    }
    member->life = Member::Life::kEnding;
    member->signal_at = Clock::now() + kGrace;
  }
}

void Engine::dispatch() {
  undispatched_ = false;
  backlog_.drop_cancelled();
  // One to each before a second to any.
  for (size_t depth = 0; depth < kDepth && !backlog_.empty(); ++depth) {
    size_t equals = 0;
    for (const auto& member : members_) {
      equals += member->life == Member::Life::kReady && member->shipments().size() == depth;
    }
    for (const auto& member : members_) {
      if (member->life != Member::Life::kReady || member->shipments().size() != depth) continue;
      if (!fill(*member, equals)) break;
      --equals;
    }
  }
}

// Whether a task that comes now is worth a round: it would go to a worker, or call for one. Else
// tasks gather until a worker reports: many short ones go as one shipment, at the cost of one
// wake-up.
bool Engine::could_take_more() const {
  int live = 0;
  bool has_room = false;
  for (const auto& member : members_) {
    live += member->life <= Member::Life::kReady;
    has_room |= member->life == Member::Life::kReady && member->shipments().size() < kEnough;
  }
  if (on_demand_ && live < target_) return true;
  // What stands in front waits for a worker, and all behind it.
  return has_room && (backlog_.empty() || undispatched_);
}

// Gives a worker its next shipment; false: there is none for it.
bool Engine::fill(Member& member, size_t equals) {
  uint64_t most = std::numeric_limits<uint64_t>::max();
  const bool recycles = options_.recycle_after != 0;
  if (recycles) {
    if (member.tasks_shipped >= options_.recycle_after) return true;
    most = options_.recycle_after - member.tasks_shipped;
  }
  std::deque<Parcel> pieces = backlog_.shipment(
      {.idle = member.idle(), .equals = equals, .most = most, .recycles = recycles});
  if (pieces.empty()) return false;
  const uint32_t code = pieces.front().code;
  while (member.codes_known <= code) member.define(backlog_.definition(member.codes_known));
  try {
    member.ship(std::move(pieces));
  } catch (const std::bad_alloc&) {
    // They are nowhere else: whoever waits for them must hear of it.
    for (Parcel& piece : pieces)
      deliveries_.push_back({std::move(piece.receiver),
                             piece.first,
                             piece.count,
                             {},
                             std::make_exception_ptr(SystemError(
                                 format("{}: no memory to send a task", options_.name), ENOMEM))});
  }
  return true;
}

void Engine::run() {
  std::array<epoll_event, 64> events{};
  int ready = 0;
  // Of memory or descriptors there are none left, say. Once: then all ends by it.
  const auto break_by = [this](const std::exception_ptr& error, std::string_view what) {
    const std::lock_guard lock(mutex_);
    if (broken_) std::rethrow_exception(error);
    log(Level::kError, format("{}: it breaks: {}", options_.name, what));
    break_with(error);
  };
  for (bool more = true; more;) {
    try {
      more = round(events, ready);
      continue;
    } catch (const std::bad_alloc&) {
      const SystemError error(format("{}: no memory for what its workers send", options_.name),
                              ENOMEM);
      break_by(std::make_exception_ptr(error), error.what());
    } catch (const std::exception& error) {
      break_by(std::current_exception(), error.what());
    }
    ready = 0;
  }
}

bool Engine::round(std::array<epoll_event, 64>& events, int& ready) {
  arrived_.clear();
  std::vector<uint64_t> ids;
  for (int i = 0; i < ready; ++i) {
    const uint64_t id = events[static_cast<size_t>(i)].data.u64;
    if (id == kWake) {
      wake_.clear();
    } else {
      ids.push_back(id);
    }
  }
  // Only this thread adds and removes members, so it may look for them without the lock.
  const auto now = Clock::now();
  for (const auto& member : members_) {
    const bool told = std::ranges::find(ids, member->id()) != ids.end();
    const bool silent = member->to_be_heard(now);
    if (silent) member->ask_what_came();
    if (silent || told) read(*member, arrived_);
  }
  int timeout = -1;
  {
    std::unique_lock lock(mutex_);
    take_in();
    for (Arrived& each : arrived_) handle(each);
    for (auto member = members_.begin(); member != members_.end();) {
      if (std::ranges::find(ids, (*member)->id()) != ids.end() &&
          !(*member)->process().is_alive()) {
        bury(**member);
        member = members_.erase(member);
      } else {
        ++member;
      }
    }
    watch_time();
    settle();
    start_missing(lock);
    take_in();
    dispatch();
    settle();
    std::ranges::move(deliveries_, std::back_inserter(delivering_));
    deliveries_.clear();
  }
  for (const auto& member : members_) member->flush();
  while (!delivering_.empty()) {
    Delivery next = std::move(delivering_.front());
    delivering_.pop_front();
    next.deliver();
  }
  {
    const std::lock_guard lock(mutex_);
    take_in();
    if (stop_ != Stop::kNo && members_.empty() && backlog_.empty() && deliveries_.empty()) {
      ended_ = true;
      ended_cv_.notify_all();
      return false;
    }
    watch_time();
    settle();
    const bool more = could_take_more();
    timeout = deliveries_.empty() && !(more && undispatched_) ? poll_timeout() : 0;
    if (more && timeout != 0 && !intake_.ask_to_wake()) timeout = 0;
  }
  ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
  if (ready < 0) {
    if (errno != EINTR) throw_errno("epoll_wait");
    ready = 0;
  }
  return true;
}

}  // namespace towpath::pools
