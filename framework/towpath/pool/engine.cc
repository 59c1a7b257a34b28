#include "towpath/pool/engine.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/make_thread.h"
#include "towpath/base/per_process.h"
#include "towpath/base/signal_mask.h"
#include "towpath/memory/file_space.h"
#include "towpath/pool/errors.h"
#include "towpath/process/child_state.h"
#include "towpath/process/this_process.h"

namespace towpath::pools {
namespace {

constexpr size_t kMaxHead = 256;  // of a shipment
constexpr int kMaxDepth = 10;     // of pools in workers of pools
constexpr size_t kKeptComing = 4096;
constexpr Millis kExitPatience{5'000};
// By which a worker's libraries are told of its share of the cores; and which of them, in the
// worker's environment, its pool has set.
constexpr std::array kThreadCounts{"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"};
constexpr const char* kSharesSet = "TOWPATH_POOL_SHARES";

thread_local const Engine* own_engine = nullptr;

// Of the environment; empty: it is not set.
std::string_view variable(const char* name) {
  const char* const set = std::getenv(name);
  return set == nullptr ? "" : set;
}

// Those to be ended at exit().
struct Running {
  std::mutex mutex;
  std::vector<std::weak_ptr<Engine>> engines;
  bool at_exit = false;
};
Running& running_engines() {
  static constinit PerProcess<Running> it;
  return it.get();
}

// New workers would take the place of those that exit() ends, and callbacks meet statics that are
// gone.
void terminate_all() noexcept {
  std::vector<std::shared_ptr<Engine>> engines;
  Running& r = running_engines();
  {
    const std::lock_guard lock(r.mutex);
    for (const auto& each : r.engines) {
      if (auto engine = each.lock()) engines.push_back(std::move(engine));
    }
  }
  for (const auto& engine : engines) engine->ask_to_end();
  // A callback may be one that never returns, or the one that exits.
  const Deadline deadline(kExitPatience);
  for (const auto& engine : engines) {
    if (!engine->on_own_thread() && engine->join(deadline.left())) engine->finish();
  }
}

void terminate_at_exit(const std::shared_ptr<Engine>& engine) {
  Running& r = running_engines();
  const std::lock_guard lock(r.mutex);
  std::erase_if(r.engines, [](const auto& each) { return each.expired(); });
  r.engines.push_back(engine);
  if (r.at_exit) return;
  children::prepare();  // its function at exit() is registered first, and so runs behind this
  if (std::atexit([] { terminate_all(); }) != 0)
    throw Error("atexit: no room for another function");
  r.at_exit = true;
}

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
      epoll_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC))) {
  if (!epoll_) throw_errno("epoll_create1");
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
  const bool by_fork = options_.method.value_or(get_start_method()) == Method::kFork;
  if (workers == Workers::kOnDemand && !by_fork) return;
  // Here, not by the thread: by fork only a process without threads may start them.
  while (static_cast<int>(members_.size()) < target_) add(make_member(target_));
}

std::unique_ptr<Member> Engine::make_member(int of_workers) {
  Options options;
  const uint64_t id = next_member_++;
  options.name = format("{}#{}", options_.name, id);
  options.method = options_.method;
  const std::string share = std::to_string(std::max(1, cores_ / std::max(1, of_workers)));
  options.env.emplace_back("TOWPATH_CORES", share);
  options.env.emplace_back("TOWPATH_POOL_DEPTH", std::to_string(depth() + 1));
  // Those that are set, too: a forkserver, and so its child, may know nothing of it. Where this
  // process is a worker itself, what its pool has set is no wish of the user's.
  const std::string_view given = variable("TOWPATH_CORES");
  const std::string_view of_pool = variable(kSharesSet);
  std::string shares;
  for (const char* name : kThreadCounts) {
    const std::string_view set = variable(name);
    const bool by_user =
        !set.empty() && (set != given || of_pool.find(name) == std::string_view::npos);
    options.env.emplace_back(name, by_user ? set : share);
    const auto is_named = [name](const auto& each) { return each.first == name; };
    if (!by_user && std::ranges::none_of(options_.env, is_named)) shares += format("{} ", name);
  }
  options.env.emplace_back(kSharesSet, shares);
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
  if (!own()) return;
  terminate();
  if (thread_.joinable() && !on_own_thread()) thread_.join();
}

bool Engine::on_own_thread() const { return own_engine == this; }

void Engine::start() {
  terminate_at_exit(shared_from_this());
  const SignalsBlocked blocked;
  thread_ = make_thread(options_.name, [self = shared_from_this()]() mutable {
    own_engine = self.get();
    self->run();
    self.reset();
  });
}

void Engine::require_own(const char* what) const {
  if (own()) return;
  throw Invalid(
      format("{}: {} is of process {}, and this one was forked from it: make another pool", what,
             options_.name, owner_));
}

void Engine::refuse_vain_wait() const {
  require_own("wait");
  if (on_own_thread())
    throw Invalid("a callback that waits for another task of its pool would wait for ever");
}

// ── From outside ──

uint32_t Engine::number_of(Code code) {
  require_own("submit");
  const std::lock_guard lock(mutex_);
  return backlog_.number_of(code);
}

uint32_t Engine::parcel_size(uint32_t code) const {
  const std::lock_guard lock(mutex_);
  return backlog_.worthwhile(code);
}

void Engine::submit(Parcel parcel) {
  require_own("submit");
  require_small(parcel);
  submitted(intake_.put(parcel));
}

void Engine::submit_one(Code code, Parcel parcel) {
  require_own("submit");
  require_small(parcel);
  Intake::Put done = intake_.put_one(code, parcel);
  if (done == Intake::Put::kUnnamed) {
    intake_.name(code, number_of(code));
    done = intake_.put_one(code, parcel);
  }
  submitted(done);
}

void Engine::submitted(Intake::Put done) {
  if (done == Intake::Put::kDone) return;
  if (done == Intake::Put::kWake) return wake_.signal();
  const std::lock_guard lock(mutex_);
  if (broken_) std::rethrow_exception(broken_);
  throw Closed(format("{}: it is closed and takes no more tasks", options_.name));
}

// What was submitted comes to the backlog. Before whatever asks about that; others than the pool's
// thread wake that first, as who submits does not any more.
void Engine::take_in() {
  const auto add = [this] {  // what is left of a round that failed, first
    undispatched_ |= !coming_.empty();
    for (; taken_in_ < coming_.size(); ++taken_in_) backlog_.add(std::move(coming_[taken_in_]));
    taken_in_ = 0;
    coming_.clear();
  };
  add();
  // Once: what comes meanwhile has to wait, or who submits without end would keep us here.
  intake_.take(coming_);
  add();
  if (coming_.capacity() > kKeptComing) coming_ = {};
}

void Engine::require_small(const Parcel& parcel) const {
  if (parcel.arguments.size() > kMaxConnectionMessage - kMaxHead) {
    throw NotSerialisable(format("{}: {} bytes of arguments; a task takes at most {}",
                                 options_.name, parcel.arguments.size(),
                                 kMaxConnectionMessage - kMaxHead));
  }
  if (parcel.arguments.size() > Member::kMaxInMessage)
    require_file_limit(options_.name, parcel.arguments.size() + kMaxHead);
}

// Of a single task it is known who has it.
bool Engine::may_have(const Member& member, const Receiver& receiver, uint64_t tasks) {
  return tasks != 1 || member.id() == receiver.member_;
}

bool Engine::cancel(Receiver& receiver, uint64_t tasks) {
  require_own("cancel");
  const std::lock_guard lock(mutex_);
  if (ended_ || receiver.cancelled) return false;
  wake_.signal();
  take_in();
  const bool single = tasks == 1;
  for (const auto& member : members_) {
    if (may_have(*member, receiver, tasks)) take_back(*member);
  }
  const bool all_wait = single ? receiver.member_ == 0 : backlog_.tasks_of(receiver) == tasks;
  if (!all_wait) return false;
  receiver.cancelled = true;
  return true;
}

bool Engine::kill_running(Receiver& receiver, uint64_t tasks) {
  require_own("kill");
  const std::lock_guard lock(mutex_);
  wake_.signal();
  take_in();
  bool any = false;
  for (const auto& member : members_) {
    if (member->doom != Member::Doom::kNone || !may_have(*member, receiver, tasks)) continue;
    // Nothing else begins meanwhile, so what is killed is its task, unless that has just ended.
    take_back(*member);
    if (!runs(*member, receiver)) continue;
    kill(*member, Member::Doom::kKilled);
    any = true;
  }
  const size_t before = deliveries_.size();
  backlog_.fail_of(receiver,
                   std::make_exception_ptr(Cancelled(
                       format("{}: the task was killed with others of its map", options_.name))),
                   deliveries_);
  return any || deliveries_.size() > before;
}

bool Engine::is_running(const Receiver& receiver) const {
  require_own("running");
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(members_, [&](const auto& member) { return runs(*member, receiver); });
}

bool Engine::runs(const Member& member, const Receiver& receiver) {
  const auto running = member.running();
  return running && running->parcel->receiver.get() == &receiver;
}

void Engine::resize(int workers) {
  require_own("resize");
  if (workers < 1) throw Invalid(format("{}: {} workers; at least 1", options_.name, workers));
  const std::lock_guard lock(mutex_);
  target_ = workers;
  wake_.signal();
}

int Engine::workers() const {
  require_own("workers");
  const std::lock_guard lock(mutex_);
  return target_;
}

void Engine::close() {
  require_own("close");
  const std::lock_guard lock(mutex_);
  stop_ = std::max(stop_, Stop::kClose);
  intake_.shut();
  wake_.signal();
}

void Engine::terminate(bool hard) {
  if (!own()) return;
  ask_to_end(hard);
  if (!on_own_thread()) join(kForever);
}

void Engine::ask_to_end(bool hard) noexcept {
  const std::lock_guard lock(mutex_);
  stop_ = std::max(stop_, hard ? Stop::kKill : Stop::kTerminate);
  stopping_ = false;
  intake_.shut();
  wake_.signal();
}

void Engine::cancel_queued() {
  require_own("cancel_queued");
  std::vector<Delivery> cancelled;
  {
    const std::lock_guard lock(mutex_);
    wake_.signal();
    take_in();
    for (const auto& member : members_) {
      take_back(*member);
    }
    const auto why = std::make_exception_ptr(
        Cancelled(format("{}: the task was cancelled before it ran", options_.name)));
    backlog_.fail_all(why, cancelled);
  }
  for (Delivery& delivery : cancelled) delivery.deliver();
}

bool Engine::join(Millis timeout) {
  require_own("join");
  std::unique_lock lock(mutex_);
  if (stop_ == Stop::kNo) {
    throw Invalid(
        format("{}: join before close() or terminate() would wait for ever", options_.name));
  }
  if (on_own_thread()) {
    throw Invalid(
        format("{}: join from one of its own callbacks would wait for ever", options_.name));
  }
  return Deadline(timeout).wait(ended_cv_, lock, [this] { return ended_; });
}

bool Engine::closed() const {
  require_own("closed");
  const std::lock_guard lock(mutex_);
  return stop_ != Stop::kNo;
}

std::vector<Engine::WorkerInfo> Engine::members() const {
  require_own("processes");
  const std::lock_guard lock(mutex_);
  std::vector<WorkerInfo> all;
  for (const auto& member : members_) {
    if (member->life == Member::Life::kEnding) continue;
    all.push_back({member->name(), member->process().pid()});
  }
  return all;
}

}  // namespace towpath::pools
