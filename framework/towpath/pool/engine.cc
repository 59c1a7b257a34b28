#include "towpath/pool/engine.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/pool/errors.h"
#include "towpath/process/this_process.h"

namespace towpath::pool {
namespace {

constexpr size_t kMaxHead = 256;  // of a shipment
constexpr int kMaxDepth = 10;     // of pools in workers of pools

// How many pools this process is a worker in.
int depth() {
  const char* text = std::getenv("TOWPATH_POOL_DEPTH");
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

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

// ── From outside ──

uint32_t Engine::number_of(Code code) {
  const std::lock_guard lock(mutex_);
  return backlog_.number_of(code);
}

uint32_t Engine::parcel_size(uint32_t code) const {
  const std::lock_guard lock(mutex_);
  return backlog_.worthwhile(code);
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
  backlog_.add(std::move(parcel));
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
    take_back(*member);
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
    take_back(*member);
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
      take_back(*member);
    }
    const auto why = std::make_exception_ptr(
        Cancelled(format("{}: the task was cancelled before it ran", options_.name)));
    backlog_.fail_all(why, cancelled);
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

}  // namespace towpath::pool
