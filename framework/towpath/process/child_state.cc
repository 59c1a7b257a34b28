#include "towpath/process/child_state.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/per_process.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/wait.h"
#include "towpath/process/child.h"
#include "towpath/process/job.h"
#include "towpath/process/signal_process.h"

namespace towpath {

ChildState::ChildState(Facts facts, Started started)
    : facts_(std::move(facts)), owner_(::getpid()), started_(std::move(started)) {}

void ChildState::require_own(const char* what) const {
  if (owner_ != ::getpid())
    throw Invalid(format("{}: process {} was started by another process", what, facts_.name));
}

bool ChildState::ended(Millis timeout) {
  if (reaped_) return true;
  if (!wait_readable(started_.pidfd.get(), timeout)) return false;
  const std::lock_guard lock(mutex_);
  if (!reaped_) reap();
  return true;
}

// The kernel says so to whoever asks for it, and goes on saying so.
bool ChildState::is_stopped() {
  const std::lock_guard lock(mutex_);
  siginfo_t info{};
  return !reaped_ &&
         ::waitid(P_PIDFD, static_cast<id_t>(started_.pidfd.get()), &info,
                  WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid != 0;
}

// With the mutex held, when it has ended.
void ChildState::reap() {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(started_.pidfd.get()), &info, WEXITED) != 0) {
    if (errno == EINTR) continue;
    if (errno != ECHILD) throw_errno(format("waitid(P_PIDFD of {})", started_.pid));
    error_ = "its exit status was taken by a wait() elsewhere, or SIGCHLD is ignored";
    info.si_code = CLD_EXITED;
    info.si_status = EXIT_FAILURE;
    break;
  }
  exitcode_ = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  hear();
  if (facts_.says_begun && !begun_ && !error_ && *exitcode_ >= 0) {
    error_ =
        "it ended before it reached towpath::init, which must be the first statement of main: what "
        "stands before it runs in every child";
  }
  started_.line.reset();
  reaped_ = true;
  log(Level::kDebug,
      *exitcode_ < 0
          ? format("process {} (pid {}) was killed by signal {}", name(), pid(), -*exitcode_)
          : format("process {} (pid {}) ended with exit code {}", name(), pid(), *exitcode_));
}

void ChildState::hear() {
  try {
    while (std::optional<Packet> packet = receive_packet(started_.line.get(), Millis{0})) {
      auto message = from_bytes<ChildMessage>(packet->bytes);
      if (message.kind == FromChild::kStarted) begun_ = true;
      if (message.kind == FromChild::kFailed) error_ = std::move(message.text);
    }
  } catch (const Error&) {
    // The end of what it said.
  }
}

void ChildState::send_signal(int signal) {
  if (reaped_) return;
  if (!signal_process(started_.pidfd.get(), signal) && errno != ESRCH) {
    throw_errno(format("pidfd_send_signal({}, {})", started_.pid, signal));
  }
}

std::optional<int> ChildState::exitcode() {
  ended(Millis{0});
  const std::lock_guard lock(mutex_);
  return exitcode_;
}

std::optional<std::string> ChildState::error() {
  ended(Millis{0});
  const std::lock_guard lock(mutex_);
  return error_;
}

namespace {

constexpr Millis kDaemonGrace{2'000};
constexpr size_t kAtOnce = 64;  // starts, by as many threads

struct Registry {
  std::mutex mutex;
  // Weak: a Process that is destroyed has joined its child.
  std::vector<std::weak_ptr<ChildState>> all;
  bool at_exit = false;  // end_all() will run
};

// A child of fork that exits runs the exit functions of its parent, on what is its own.
Registry& registry() {
  static constinit PerProcess<Registry> it;
  return it.get();
}

// With the mutex held.
std::vector<std::shared_ptr<ChildState>> take_active(Registry& r) {
  std::vector<std::shared_ptr<ChildState>> known;
  std::vector<int> sentinels;
  for (const auto& weak : r.all) {
    if (auto child = weak.lock()) {
      sentinels.push_back(child->sentinel());
      known.push_back(std::move(child));
    }
  }
  std::vector<size_t> ended;
  if (!known.empty()) ended = wait(sentinels, Millis{0});
  std::vector<std::shared_ptr<ChildState>> running;
  auto next = ended.begin();
  for (size_t i = 0; i < known.size(); ++i) {
    if (next != ended.end() && *next == i) {
      known[i]->ended(Millis{0});
      ++next;
    } else {
      running.push_back(std::move(known[i]));
    }
  }
  r.all.assign(running.begin(), running.end());
  return running;
}

// The process exits, and children run: nothing will join them but this.
void end_all() noexcept {
  try {
    const auto running = children::active();
    for (const auto& child : running) {
      if (child->daemon()) child->send_signal(SIGTERM);
    }
    const Deadline grace(kDaemonGrace);
    for (const auto& child : running) {
      if (!child->daemon() || child->ended(grace.left())) continue;
      child->send_signal(SIGKILL);
      child->ended(kForever);
    }
    for (const auto& child : running) {
      if (child->daemon() || child->ended(Millis{0})) continue;
      log(Level::kInfo, format("exit waits for process {} (pid {}), which was not joined",
                               child->name(), child->pid()));
      child->ended(kForever);
    }
  } catch (const std::exception& error) {
    log(Level::kError, format("exit: children could not be ended: {}", error.what()));
  }
}

}  // namespace

namespace children {

void prepare() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  take_active(r);
  r.all.reserve(r.all.size() + kAtOnce);
  if (!r.at_exit) {
    if (std::atexit([] { end_all(); }) != 0) throw Error("atexit: no room for another function");
    r.at_exit = true;
  }
}

void add(const std::shared_ptr<ChildState>& child) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.all.push_back(child);
}

std::vector<std::shared_ptr<ChildState>> active() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  return take_active(r);
}

}  // namespace children

const std::string& Child::name() const { return state_->name(); }
bool Child::daemon() const { return state_->daemon(); }
int Child::pid() const { return state_->pid(); }
bool Child::is_alive() const {
  state_->require_own("is_alive");
  return !state_->ended(Millis{0});
}
int Child::sentinel() const {
  state_->require_own("sentinel");
  return state_->sentinel();
}
bool Child::join(Millis timeout) const {
  state_->require_own("join");
  return state_->ended(timeout);
}
std::optional<int> Child::exitcode() const {
  state_->require_own("exitcode");
  return state_->exitcode();
}
std::optional<std::string> Child::error() const {
  state_->require_own("error");
  return state_->error();
}
void Child::terminate() const {
  state_->require_own("terminate");
  state_->send_signal(SIGTERM);
}
void Child::kill() const {
  state_->require_own("kill");
  state_->send_signal(SIGKILL);
}
void Child::interrupt() const {
  state_->require_own("interrupt");
  state_->send_signal(SIGINT);
}

std::vector<Child> active_children() {
  std::vector<Child> all;
  for (auto& child : children::active()) all.emplace_back(std::move(child));
  return all;
}

}  // namespace towpath
