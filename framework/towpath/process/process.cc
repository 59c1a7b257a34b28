#include "towpath/process/process.h"

#include <unistd.h>

#include <csignal>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/process/child_state.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/identity.h"
#include "towpath/process/start_child.h"

namespace towpath {
namespace {

constexpr Millis kDaemonGrace{2'000};
constexpr Millis kKillTimeout{10'000};

}  // namespace

struct Process::State {
  Options options;
  Call call;
  std::shared_ptr<ChildState> child{};  // from start() to close()
  bool closed = false;
  // Of one that is closed.
  std::optional<int> exitcode{};
  std::optional<std::string> error{};
};

Process::Process(Options options, Call call)
    : state_(std::make_unique<State>(State{std::move(options), std::move(call)})) {
  if (state_->options.name.empty()) state_->options.name = next_child_name();
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  Process old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

Process::~Process() {
  if (!state_ || !state_->child || state_->child->owner() != ::getpid()) return;
  try {
    if (daemon()) {
      children::stop(*this, kDaemonGrace);
    } else {
      join();
    }
  } catch (const Error& error) {
    log(Level::kError, format("process {}: {}", name(), error.what()));
  }
}

ChildState& Process::started(const char* what) const {
  if (state_->closed) throw Invalid(format("{}: process {} is closed", what, name()));
  if (!state_->child) throw Invalid(format("{}: process {} was not started", what, name()));
  state_->child->require_own(what);
  return *state_->child;
}

void Process::start() {
  State& s = *state_;
  if (s.closed) throw Invalid(format("start: process {} is closed", name()));
  if (s.child) throw Invalid(format("process {} was started before", name()));
  if (!program_remembered()) {
    throw Invalid(
        "Process::start: towpath::init(argc, argv) must be the first statement of main, because a "
        "child runs the program's file again and must not run the rest of main");
  }
  const Method method = s.options.method.value_or(get_start_method());
  ChildState::Facts facts{name(), daemon(), method == Method::kSpawn};
  children::prepare();
  s.child = std::make_shared<ChildState>(std::move(facts), start_child(s.options, method, s.call));
  children::add(s.child);
  s.call.arguments = {};
  s.call.descriptors.clear();  // what is named stays for the child to open
}

bool Process::join(Millis timeout) { return started("join").ended(timeout); }
void Process::terminate() { started("terminate").send_signal(SIGTERM); }
void Process::kill() { started("kill").send_signal(SIGKILL); }
void Process::interrupt() { started("interrupt").send_signal(SIGINT); }

void Process::close() {
  if (is_alive())
    throw Invalid(format("close: process {} runs: join it or terminate it first", name()));
  State& s = *state_;
  s.exitcode = exitcode();
  s.error = error();
  s.child.reset();
  s.call = {};
  s.closed = true;
}

const std::string& Process::name() const { return state_->options.name; }
bool Process::daemon() const { return state_->options.daemon; }

bool Process::is_alive() const {
  if (!state_->child) return false;
  return !started("is_alive").ended(Millis{0});
}

bool Process::is_stopped() const {
  return state_->child != nullptr && started("is_stopped").is_stopped();
}

int Process::pid() const { return started("pid").pid(); }
int Process::sentinel() const { return started("sentinel").sentinel(); }

std::optional<int> Process::exitcode() const {
  return state_->child ? started("exitcode").exitcode() : state_->exitcode;
}

std::optional<std::string> Process::error() const {
  return state_->child ? started("error").error() : state_->error;
}

bool children::stop(Process& process, Millis grace) {
  process.terminate();
  if (process.join(grace)) return true;
  process.kill();
  return process.join(kKillTimeout);
}

}  // namespace towpath
