#include "towpath/pool/engine.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/pool/errors.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/this_process.h"

namespace towpath::pool {
namespace {

constexpr std::chrono::microseconds kAhead{500};  // of work in one shipment
constexpr size_t kDepth = 3;                      // shipments at a worker
constexpr uint32_t kMaxTasks = 8192;              // in one
constexpr size_t kMaxBytes = size_t{24} << 10;    // of arguments in one of several tasks
constexpr size_t kMaxHead = 256;                  // of a shipment
constexpr Millis kGrace{1'000};
constexpr Millis kMaxLook{16};
constexpr Millis kStartPause{100};
constexpr int kMaxDepth = 10;        // of pools in workers of pools
constexpr int kMaxOwnDeaths = 3;     // in a row, of workers that were starting
constexpr int kMaxOuterDeaths = 64;  // the same by SIGKILL or SIGTERM
constexpr uint64_t kWake = 0;        // of epoll: else the member's id, shifted
constexpr auto kNever = Clock::time_point::max();

// How many pools this process is a worker in.
int depth() {
  const char* text = std::getenv("TOWPATH_POOL_DEPTH");
  return text == nullptr ? 0 : std::atoi(text);
}

std::string how_it_ended(int exitcode) {
  if (exitcode >= 0) return format("exited with code {}", exitcode);
  return format("was killed by signal {} ({})", -exitcode, ::strsignal(-exitcode));
}

}  // namespace

// ── From outside ──

uint32_t Engine::number_of(Code code) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < codes_.size(); ++i) {
    if (codes_[i].code == code) return static_cast<uint32_t>(i);
  }
  KnownCode& known = codes_.emplace_back();
  known.code = code;
  known.definition = {static_cast<uint32_t>(codes_.size() - 1),
                      locate_code(reinterpret_cast<const void*>(code.function)),
                      locate_code(reinterpret_cast<const void*>(code.thunk))};
  return known.definition.number;
}

uint32_t Engine::wanted(uint32_t code) const {
  const int64_t mean = codes_[code].mean.load(std::memory_order_relaxed);
  if (mean < 0) return 1;
  const int64_t ahead = std::chrono::nanoseconds(kAhead).count();
  return static_cast<uint32_t>(
      std::clamp<int64_t>(ahead / std::max<int64_t>(mean, 1), 1, kMaxTasks));
}

uint32_t Engine::parcel_size(uint32_t code) const {
  const std::lock_guard lock(mutex_);
  return wanted(code);
}

void Engine::submit(Parcel parcel) {
  if (parcel.arguments.size() > kMaxConnectionMessage - kMaxHead) {
    throw NotSerialisable(format("{}: {} bytes of arguments; a task takes at most {}",
                                 options_.name, parcel.arguments.size(),
                                 kMaxConnectionMessage - kMaxHead));
  }
  std::unique_lock lock(mutex_);
  if (broken_) std::rethrow_exception(broken_);
  if (stop_ != Stop::kNo) {
    throw Closed(format("{}: it is closed and takes no more tasks", options_.name));
  }
  queued_ += parcel.count;
  queue_.push_back(std::move(parcel));
  if (!sleeps_) return;
  sleeps_ = false;
  lock.unlock();
  wake();
}

bool Engine::cancel(Receiver& receiver) {
  const std::lock_guard lock(mutex_);
  if (ended_ || receiver.cancelled) return false;
  for (const auto& member : members_) {
    if (member->id() != receiver.member_) continue;
    std::vector<Parcel> back;
    member->take_back(back);
    put_back(std::move(back));
  }
  wake();
  if (receiver.member_ != 0) return false;
  receiver.cancelled = true;
  return true;
}

bool Engine::kill_running(Receiver& receiver) {
  const std::lock_guard lock(mutex_);
  for (const auto& member : members_) {
    if (member->id() != receiver.member_ || member->doom != Member::Doom::kNone) continue;
    // Nothing else begins meanwhile, so what is killed is this task, unless it has just ended.
    std::vector<Parcel> back;
    member->take_back(back);
    put_back(std::move(back));
    const auto running = member->running();
    if (!running || running->parcel->receiver.get() != &receiver) return false;
    kill(*member, Member::Doom::kKilled);
    wake();
    return true;
  }
  return false;
}

bool Engine::is_running(const Receiver& receiver) const {
  const std::lock_guard lock(mutex_);
  for (const auto& member : members_) {
    if (member->id() != receiver.member_) continue;
    const auto running = member->running();
    return running && running->parcel->receiver.get() == &receiver;
  }
  return false;
}

void Engine::resize(int workers) {
  if (workers < 1) throw Invalid(format("{}: {} workers; at least 1", options_.name, workers));
  const std::lock_guard lock(mutex_);
  target_ = workers;
  wake();
}

int Engine::workers() const {
  const std::lock_guard lock(mutex_);
  return target_;
}

void Engine::close() {
  const std::lock_guard lock(mutex_);
  stop_ = std::max(stop_, Stop::kClose);
  wake();
}

void Engine::terminate(bool hard) {
  if (owner_ != ::getpid()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = std::max(stop_, hard ? Stop::kKill : Stop::kTerminate);
    stopping_ = false;
    wake();
  }
  if (!on_own_thread()) join(kForever);
}

void Engine::cancel_queued() {
  std::vector<Delivery> cancelled;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& member : members_) {
      std::vector<Parcel> back;
      member->take_back(back);
      put_back(std::move(back));
    }
    const auto why = std::make_exception_ptr(
        Cancelled(format("{}: the task was cancelled before it ran", options_.name)));
    for (Parcel& parcel : queue_) {
      cancelled.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, why});
    }
    queue_.clear();
    queued_ = 0;
    wake();
  }
  for (Delivery& delivery : cancelled) delivery.deliver();
}

bool Engine::join(Millis timeout) {
  std::unique_lock lock(mutex_);
  if (stop_ == Stop::kNo) {
    throw Invalid(
        format("{}: join before close() or terminate() would wait for ever", options_.name));
  }
  if (on_own_thread()) {
    throw Invalid(
        format("{}: join from one of its own callbacks would wait for ever", options_.name));
  }
  const auto ended = [this] { return ended_; };
  if (timeout == kForever) {
    ended_cv_.wait(lock, ended);
    return true;
  }
  return ended_cv_.wait_for(lock, timeout, ended);
}

bool Engine::closed() const {
  const std::lock_guard lock(mutex_);
  return stop_ != Stop::kNo;
}

std::vector<Engine::WorkerInfo> Engine::members() const {
  const std::lock_guard lock(mutex_);
  std::vector<WorkerInfo> all;
  for (const auto& member : members_) {
    if (member->life == Member::Life::kEnding) continue;
    all.push_back({member->name(), member->process().pid()});
  }
  return all;
}

void Engine::wake() {
  const uint64_t one = 1;
  // Only a full counter fails: then the thread wakes up anyway.
  [[maybe_unused]] const ssize_t done = ::write(wake_.get(), &one, sizeof one);
}

// ── Beginning and end ──

Engine::Engine(PoolOptions options, Workers workers)
    : options_(std::move(options)),
      on_demand_(workers == Workers::kOnDemand || options_.idle_timeout != kForever),
      cores_(cores_of_pools()),
      epoll_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC))),
      wake_(UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
  if (!epoll_ || !wake_) throw_errno("epoll_create1, eventfd");
  if (options_.workers < 0) throw Invalid(format("a pool of {} workers", options_.workers));
  if (depth() >= kMaxDepth) {
    throw Invalid(format(
        "a pool within {} others: does a task make a pool that runs the same task?", depth()));
  }
  if (options_.retries < 0) throw Invalid(format("a pool with {} retries", options_.retries));
  target_ = options_.workers == 0 ? cores_ : options_.workers;
  if (options_.name.empty()) {
    static std::atomic<int> pools{0};
    const int number = ++pools;
    options_.name = !parent_process() ? format("Pool-{}", number)
                                      : format("{}:Pool-{}", current_process().name(), number);
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWake;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) throw_errno("epoll_ctl");
  if (options_.initializer) {
    const Call& call = options_.initializer.call();
    settings_.has_initializer = true;
    settings_.initializer = locate_code(reinterpret_cast<const void*>(call.function));
    settings_.initializer_thunk = locate_code(reinterpret_cast<const void*>(call.thunk));
    settings_.initializer_arguments = call.arguments;
  }
  settings_.reports_memory = options_.recycle_growth != 0;
  if (workers == Workers::kOnDemand) return;
  // Here, not by the thread: by fork only a process without threads may start them.
  while (static_cast<int>(members_.size()) < target_) add(make_member());
}

Engine::~Engine() {
  if (thread_.joinable()) thread_.detach();  // this is that thread, or a child of fork without it
}

void Engine::finish() {
  if (owner_ != ::getpid()) return;
  terminate();
  if (thread_.joinable() && !on_own_thread()) thread_.join();
}

void Engine::start() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the program's signals are not for this thread
  thread_ = std::thread([self = shared_from_this()]() mutable {
    self->thread_id_ = std::this_thread::get_id();
    self->run();
    self.reset();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// ── Workers ──

std::unique_ptr<Member> Engine::make_member() {
  Options options;
  const uint64_t id = next_member_++;
  options.name = format("{}#{}", options_.name, id);
  options.method = options_.method;
  const std::string share = std::to_string(std::max(1, cores_ / std::max(1, target_)));
  options.env.emplace_back("TOWPATH_CORES", share);
  options.env.emplace_back("TOWPATH_POOL_DEPTH", std::to_string(depth() + 1));
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}) {
    if (::getenv(name) == nullptr) options.env.emplace_back(name, share);
  }
  options.env.insert(options.env.end(), options_.env.begin(), options_.env.end());
  return std::make_unique<Member>(id, std::move(options), settings_);
}

void Engine::add(std::unique_ptr<Member> member) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = member->id();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, member->connection().fileno(), &event) != 0 ||
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, member->process().sentinel(), &event) != 0) {
    throw_errno("epoll_ctl");
  }
  members_.push_back(std::move(member));
}

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
    const auto tasks = static_cast<int>(std::min<uint64_t>(queued_, 1'000'000));
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
    lock.unlock();
    std::unique_ptr<Member> member;
    std::exception_ptr error;
    try {
      member = make_member();
    } catch (const Error&) {
      error = std::current_exception();
    }
    lock.lock();
    try {
      if (error) std::rethrow_exception(error);
      add(std::move(member));
    } catch (const Error& why) {
      start_at_ = Clock::now() + kStartPause;
      log(Level::kWarning, format("{}: a worker can't be started: {}", options_.name, why.what()));
      if (members_.empty() && ++failed_starts_ >= kMaxOwnDeaths)
        break_with(std::current_exception());
    }
  }
}

void Engine::retire(Member& member) {
  member.life = std::max(member.life, Member::Life::kRetiring);
  std::vector<Parcel> back;
  member.take_back(back);
  put_back(std::move(back));
}

// SIGKILL, for a reason.
void Engine::kill(Member& member, Member::Doom doom) {
  std::vector<Parcel> back;
  member.take_back(back);
  put_back(std::move(back));
  if (member.doom == Member::Doom::kNone) member.doom = doom;
  member.life = Member::Life::kEnding;
  member.process().kill();
}

void Engine::fault(Member& member, const std::string& what) {
  log(Level::kError, format("{}: worker {} is killed: {}", options_.name, member.name(), what));
  member.life = Member::Life::kEnding;
  member.process().kill();
}

void Engine::put_back(std::vector<Parcel> parcels) {
  for (auto parcel = parcels.rbegin(); parcel != parcels.rend(); ++parcel) {
    queued_ += parcel->count;
    queue_.push_front(std::move(*parcel));
  }
}

void Engine::break_with(const std::exception_ptr& error) {
  broken_ = error;
  for (Parcel& parcel : queue_) {
    deliveries_.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, error});
  }
  queue_.clear();
  queued_ = 0;
  for (const auto& member : members_) {
    std::vector<Parcel> back;
    for (Parcel& parcel : member->bury(back)) back.push_back(std::move(parcel));
    for (Parcel& parcel : back) {
      deliveries_.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, error});
    }
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
  } catch (const Empty&) {
    // It was for nothing.
  } catch (const Error& error) {
    // Closed, or what it wrote is no message. Its sentinel says when it has ended; one that lives
    // on without its connection is of no use.
    member.hung_up = true;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member.connection().fileno(), nullptr);
  }
}

void Engine::handle(Arrived& arrived) {
  Member& member = *arrived.member;
  try {
    switch (arrived.head.kind) {
      case ResultsHead::kReady:
        failed_starts_ = 0;
        member.first_memory = arrived.head.memory;
        member.heard_at = Clock::now();
        if (member.life == Member::Life::kStarting) member.life = Member::Life::kReady;
        return;
      case ResultsHead::kFailed:
        member.life = std::max(member.life, Member::Life::kRetiring);
        break_with(exception_of(from_bytes<RemoteTrace>(arrived.body)));
        return;
      case ResultsHead::kResults:
        break;
      default:
        throw Invalid("a message of no known kind");
    }
    if (member.idle()) return;  // its tasks were given up: terminated, or broken
    if (arrived.head.nanoseconds > 0 && arrived.head.count > 0) {
      const int64_t each = arrived.head.nanoseconds / arrived.head.count;
      auto& mean = codes_[member.shipments().front().head.code].mean;
      const int64_t before = mean.load(std::memory_order_relaxed);
      mean.store(before < 0 ? each : (before + each) / 2, std::memory_order_relaxed);
    }
    member.accept(arrived.head, std::move(arrived.body), deliveries_);
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
  for (Parcel& parcel : member.bury(back)) fail_running(member, std::move(parcel), exitcode);
  put_back(std::move(back));
  if (member.life == Member::Life::kStarting) {
    ++failed_starts_;
    const bool from_outside = exitcode == -SIGKILL || exitcode == -SIGTERM;
    if (failed_starts_ >= (from_outside ? kMaxOuterDeaths : kMaxOwnDeaths)) {
      const std::string what =
          format("{}: {} workers in a row died while they started; the last, {} (pid {}), {}",
                 options_.name, failed_starts_, member.name(), member.process().pid(),
                 how_it_ended(exitcode));
      break_with(std::make_exception_ptr(
          WorkerDied(what, member.name(), member.process().pid(), exitcode, -1)));
    }
  }
}

void Engine::fail_running(Member& member, Parcel parcel, int exitcode) {
  const int pid = member.process().pid();
  ++parcel.attempts;
  const auto task = static_cast<int64_t>(parcel.first);
  std::exception_ptr error;
  switch (member.doom) {
    case Member::Doom::kDeadline:
      error = std::make_exception_ptr(DeadlinePassed(
          format("worker {} (pid {}): task {} ran longer than its deadline of {} ms and was killed",
                 member.name(), pid, task, parcel.deadline.count())));
      break;
    case Member::Doom::kKilled:
      error = std::make_exception_ptr(Cancelled(
          format("worker {} (pid {}): task {} was killed while it ran", member.name(), pid, task)));
      break;
    case Member::Doom::kTerminated:
      error = std::make_exception_ptr(Closed(format("{}: it was terminated", options_.name)));
      break;
    case Member::Doom::kNone:
      if (parcel.retries > 0 && parcel.count == 1 && !parcel.receiver->cancelled) {
        --parcel.retries;
        parcel.receiver->member_ = 0;
        std::vector<Parcel> again;
        again.push_back(std::move(parcel));
        put_back(std::move(again));
        return;
      }
      error = std::make_exception_ptr(
          WorkerDied(format("worker {} (pid {}) {} while it ran task {}, attempt {}", member.name(),
                            pid, how_it_ended(exitcode), task, parcel.attempts),
                     member.name(), pid, exitcode, task));
      break;
  }
  deliveries_.push_back({parcel.receiver, parcel.first, parcel.count, {}, std::move(error)});
}

// ── Time ──

void Engine::watch_deadline(Member& member, Clock::time_point now) {
  if (member.deadline_at > now) return;
  const auto expiry = member.expiry();
  if (expiry <= now) {
    kill(member, Member::Doom::kDeadline);
    member.deadline_at = kNever;
  } else {
    member.deadline_at = expiry;
  }
}

// A worker that has long said nothing: the results it holds back are looked at, the tasks it has
// not begun go to one that is idle.
void Engine::watch_stuck(Member& member, Clock::time_point now) {
  if (member.tasks() < 2 || member.life == Member::Life::kEnding) {
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
    if (queue_.empty() && (another_idle || another_to_come)) {
      std::vector<Parcel> back;
      member.take_back(back);
      put_back(std::move(back));
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
    if (member.hung_up && member.life < Member::Life::kEnding && member.signal_at == kNever) {
      member.signal_at = now + kGrace;
    }
    if (member.signal_at <= now) {
      if (member.was_asked || member.hung_up) {
        member.process().kill();
        member.signal_at = kNever;
      } else {
        member.process().terminate();
        member.was_asked = true;
        member.signal_at = now + kGrace;
      }
    }
    if (options_.idle_timeout != kForever && member.life == Member::Life::kReady && member.idle() &&
        queue_.empty() && now - member.heard_at >= options_.idle_timeout) {
      retire(member);
    }
  }
}

int Engine::poll_timeout() const {
  auto next = kNever;
  for (const auto& member : members_) {
    next = std::min({next, member->deadline_at, member->look_at, member->signal_at});
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
    const bool done = stop_ == Stop::kClose && queue_.empty() && member->idle();
    if (++live > target_ || used_up || done) {
      --live;
      retire(*member);
    }
  }
  for (const auto& member : members_) {
    if (member->life == Member::Life::kRetiring && member->idle() && !member->has_unsent()) {
      member->send_pill();
      member->life = Member::Life::kEnding;
    }
  }
}

void Engine::end_all() {
  stopping_ = true;
  const auto why = std::make_exception_ptr(Closed(format("{}: it was terminated", options_.name)));
  for (Parcel& parcel : queue_) {
    deliveries_.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, why});
  }
  queue_.clear();
  queued_ = 0;
  for (const auto& member : members_) {
    const bool works = !member->idle();
    member->doom = Member::Doom::kTerminated;
    std::vector<Parcel> back;
    for (Parcel& parcel : member->bury(back)) back.push_back(std::move(parcel));
    for (Parcel& parcel : back) {
      deliveries_.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, why});
    }
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
  drop_cancelled();
  // One to each before a second to any.
  for (size_t depth = 0; depth < kDepth && !queue_.empty(); ++depth) {
    size_t idle = 0;
    for (const auto& member : members_) {
      idle += member->life == Member::Life::kReady && member->shipments().size() == depth;
    }
    for (const auto& member : members_) {
      if (member->life != Member::Life::kReady || member->shipments().size() != depth) continue;
      if (!fill(*member, idle)) break;
      --idle;
    }
  }
}

void Engine::drop_cancelled() {
  while (!queue_.empty() && queue_.front().receiver->cancelled) {
    queued_ -= queue_.front().count;
    queue_.pop_front();
  }
}

// Gives a worker its next shipment; false: there is none for it.
bool Engine::fill(Member& member, size_t idle) {
  drop_cancelled();
  if (queue_.empty()) return false;
  const uint32_t code = queue_.front().code;
  const bool timed = queue_.front().deadline != kForever;
  uint64_t most = wanted(code);
  // Tasks that are long, or not known, are better given to who is the first to be free.
  if (most == 1 && !member.idle()) return false;
  most = std::min<uint64_t>(most, (queued_ + idle - 1) / std::max<size_t>(idle, 1));
  if (options_.recycle_after != 0) {
    if (member.tasks_shipped >= options_.recycle_after) return true;
    most = std::min<uint64_t>(most, options_.recycle_after - member.tasks_shipped);
  }
  std::deque<Parcel> pieces;
  size_t bytes = 0;
  while (most > 0 && !queue_.empty()) {
    Parcel& front = queue_.front();
    if (front.code != code || (front.deadline != kForever) != timed) break;
    // Whole parcels are cheaper than pieces: what comes back need not be told apart.
    const bool whole =
        front.count <= most ||
        (pieces.empty() &&
         (front.together || (front.count / 2 <= most && idle < 2 && options_.recycle_after == 0)));
    if (!whole && (front.together || !pieces.empty())) break;
    const size_t size = front.arguments.size();
    if (whole && size + bytes > kMaxBytes && !pieces.empty()) break;
    // Large arguments wait for a worker that waits for them.
    if (size > kMaxBytes && front.count == 1 && !member.idle()) return false;
    if (whole) {
      pieces.push_back(std::move(front));
      queue_.pop_front();
    } else {
      pieces.push_back(front.cut(static_cast<uint32_t>(most)));
    }
    bytes += pieces.back().arguments.size();
    most -= std::min<uint64_t>(most, pieces.back().count);
    queued_ -= pieces.back().count;
    drop_cancelled();
  }
  if (pieces.empty()) return false;
  while (member.codes_known <= code) member.define(codes_[member.codes_known].definition);
  member.ship(std::move(pieces));
  return true;
}

void Engine::run() {
  std::vector<Arrived> arrived;
  std::vector<Delivery> deliveries;
  std::array<epoll_event, 64> events{};
  int ready = 0;
  for (;;) {
    arrived.clear();
    std::vector<uint64_t> ids;
    for (int i = 0; i < ready; ++i) {
      const uint64_t id = events[static_cast<size_t>(i)].data.u64;
      if (id == kWake) {
        uint64_t count;
        [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
      } else {
        ids.push_back(id);
      }
    }
    // Only this thread adds and removes members, so it may look for them without the lock.
    for (const auto& member : members_) {
      if (std::ranges::find(ids, member->id()) != ids.end()) read(*member, arrived);
    }
    bool ended = false;
    int timeout = -1;
    {
      std::unique_lock lock(mutex_);
      sleeps_ = false;
      for (Arrived& each : arrived) handle(each);
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
      dispatch();
      settle();
      deliveries.swap(deliveries_);
      sleeps_ = true;  // what is submitted from here on is not seen before the next round
    }
    for (const auto& member : members_) member->flush();
    for (Delivery& delivery : deliveries) delivery.deliver();
    deliveries.clear();
    {
      const std::lock_guard lock(mutex_);
      ended = stop_ != Stop::kNo && members_.empty() && queue_.empty() && deliveries_.empty();
      if (ended) {
        ended_ = true;
        ended_cv_.notify_all();
        return;
      }
      watch_time();
      timeout = poll_timeout();
      if (!deliveries_.empty()) timeout = 0;
    }
    ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
    if (ready < 0) {
      if (errno != EINTR) throw_errno("epoll_wait");
      ready = 0;
    }
  }
}

}  // namespace towpath::pool
