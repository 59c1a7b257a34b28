#include "towpath/process/process.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/private_fd.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/wait.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/identity.h"
#include "towpath/process/job.h"
#include "towpath/process/subreaper.h"
#include "towpath/process/this_process.h"

namespace towpath {
namespace {

constexpr Millis kStartTimeout{60'000};
constexpr Millis kDaemonGrace{2'000};
constexpr Millis kKillTimeout{10'000};
constexpr int kForkserverAttempts = 3;

size_t count_threads() {
  size_t threads = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++threads;
  }
#if defined(__SANITIZE_THREAD__)
  --threads;  // ThreadSanitizer's own, which it makes anew in a child
#endif
  return threads;
}

// A copy that is no standard stream; none of what is closed.
UniqueFd copy_of(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)); }

// None if it was removed, or may not be opened: then the child begins elsewhere.
UniqueFd working_directory() {
  const UniqueFd folder(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return copy_of(folder.get());
}

// What travels to a child: its Job, and streams and folder for it; the arguments' descriptors stay
// in the Call until the child has them.
struct Parcel {
  Job job;
  std::vector<UniqueFd> own;
  std::vector<int> fds;  // all, as the Job counts them
};

void send_parcel(int line, const Parcel& parcel) {
  send_packet(line, to_bytes(parcel.job), parcel.fds, kStartTimeout);
}

}  // namespace

struct Process::State {
  enum class Life { kNew, kStarted, kEnded, kClosed };

  Options options;
  Call call;
  std::atomic<Life> life = Life::kNew;  // signals may be sent beside a join
  pid_t owner = ::getpid();             // a copy of this object in a child of fork is nobody's
  pid_t pid = 0;
  PrivateFd pidfd;
  PrivateFd line;
  std::optional<int> exitcode;
  std::optional<std::string> error;

  void require_started(const char* what) const {
    if (owner != ::getpid())
      throw Invalid(format("{}: the process was started by another process", what));
    if (life == Life::kNew)
      throw Invalid(format("{}: process {} was not started", what, options.name));
    if (life == Life::kClosed)
      throw Invalid(format("{}: process {} is closed", what, options.name));
  }

  Parcel pack() const;
  void start_by_forkserver(const Parcel& parcel);
  void start_by_exec(const Parcel& parcel);
  void start_by_fork(Parcel parcel);
  bool await_started();
  void undo_start();

  bool ended(Millis timeout);
  void hear_child();
  void send_signal(int signal) const;
};

Parcel Process::State::pack() const {
  Parcel parcel;
  Job& job = parcel.job;
  const auto add = [&parcel](UniqueFd fd) {
    if (!fd) return -1;
    parcel.fds.push_back(fd.get());
    parcel.own.push_back(std::move(fd));
    return static_cast<int>(parcel.fds.size()) - 1;
  };
  job.parent = ::getpid();
  job.name = options.name;
  job.session = program_session_id();
  job.default_method = default_start_method();
  job.env = options.env;
  job.stdout_at = add(copy_of(options.stdout_fd < 0 ? STDOUT_FILENO : options.stdout_fd));
  job.stderr_at = add(copy_of(options.stderr_fd < 0 ? STDERR_FILENO : options.stderr_fd));
  job.folder_at = add(working_directory());
  job.arguments_at = static_cast<int>(parcel.fds.size());
  for (const PrivateFd& fd : call.descriptors) parcel.fds.push_back(fd.get());
  job.function = locate_code(reinterpret_cast<const void*>(call.function));
  job.thunk = locate_code(reinterpret_cast<const void*>(call.thunk));
  job.arguments = call.arguments;
  return parcel;
}

// Whether the child is there; false: its forkserver died before it was.
bool Process::State::await_started() {
  std::optional<Packet> packet;
  try {
    packet = receive_packet(line.get(), kStartTimeout);
  } catch (const EndOfStream&) {
    return false;
  }
  if (!packet) {
    throw Timeout(format("process {}: the forkserver (pid {}) did not answer in {} s", options.name,
                         Forkserver::of_this_process().pid(), kStartTimeout.count() / 1000));
  }
  const auto message = from_bytes<ChildMessage>(packet->bytes);
  if (message.kind == FromChild::kFailed) {
    throw Error(format("process {} could not be started: {}", options.name, message.text));
  }
  expect(packet->fds.size() == 1, "a started child sends its pidfd");
  pid = static_cast<pid_t>(message.pid);
  pidfd = PrivateFd(std::move(packet->fds.front()));
  try {
    send_packet(line.get(), to_bytes(ToChild::kGo), {}, kStartTimeout);
  } catch (const Closed&) {
    // It has ended already, as its exit code says.
  }
  // The process in between has ended. Its forkserver reaps it, unless that was killed meanwhile:
  // then this process has inherited it.
  if (!Forkserver::of_this_process().is_running()) {
    ::waitpid(static_cast<pid_t>(message.between), nullptr, WNOHANG);
  }
  return true;
}

void Process::State::start_by_forkserver(const Parcel& parcel) {
  for (int attempt = 1; attempt <= kForkserverAttempts; ++attempt) {
    auto [mine, its] = packet_pair();
    line = PrivateFd(std::move(mine));
    send_parcel(line.get(), parcel);
    const SubreaperWindow adopt_the_child;
    try {
      Forkserver::of_this_process().request(its.get());
    } catch (const Closed&) {
      continue;  // it was killed; the next request starts another
    }
    its.reset();
    if (await_started()) return;
    Forkserver::of_this_process().forget_if_dying();
  }
  throw Error(format("process {}: the forkserver died {} times while it was to start it",
                     options.name, kForkserverAttempts));
}

void Process::State::start_by_exec(const Parcel& parcel) {
  auto [mine, its] = packet_pair();
  line = PrivateFd(std::move(mine));
  Launched launched = exec_self(ExecRole::kChild, its.get(), Parenthood::kProcess);
  pid = launched.pid;
  pidfd = PrivateFd(std::move(launched.pidfd));
  its.reset();
  try {
    // Only now, when the child has its parent for good: it checks that when the job arrives.
    send_parcel(line.get(), parcel);
  } catch (const Closed&) {
    // It has ended already, as its exit code says.
  }
}

void Process::State::start_by_fork(Parcel parcel) {
  if (const size_t threads = count_threads(); threads > 1) {
    throw Unsupported(
        format("process {}: fork in a process with {} threads: a lock held by another thread would "
               "stay locked in "
               "the child. Start it before the threads, or use kForkserver or kSpawn",
               options.name, threads));
  }
  auto [mine, its] = packet_pair();
  // What is not yet written would be written by both.
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    mine.reset();
    std::vector<UniqueFd> fds = std::move(parcel.own);
    for (PrivateFd& fd : call.descriptors) fds.push_back(fd.inherit());
    run_forked_child(std::move(its), parcel.job, std::move(fds));
  }
  line = PrivateFd(std::move(mine));
  pid = child;
  // Not reaped yet, so the number is still this child's.
  pidfd = PrivateFd(UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0))));
  if (!pidfd) {
    const int why = errno;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    throw SystemError(format("pidfd_open({})", child), why);
  }
}

// What a start that failed has left must not run: it would be a second one when it is tried again.
// A child of the forkserver has not been told to go on and sees the end of its line.
void Process::State::undo_start() {
  line.reset();
  if (pidfd) {
    ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0 &&
           errno == EINTR) {
    }
  }
  pidfd.reset();
  pid = 0;
}

void Process::State::hear_child() {
  try {
    while (std::optional<Packet> packet = receive_packet(line.get(), Millis{0})) {
      auto message = from_bytes<ChildMessage>(packet->bytes);
      if (message.kind == FromChild::kFailed) error = std::move(message.text);
    }
  } catch (const Error&) {
    // The end of what it said.
  }
}

// Waits for the end and takes the exit status, once.
bool Process::State::ended(Millis timeout) {
  if (life != Life::kStarted) return true;
  if (!wait_readable(pidfd.get(), timeout)) return false;
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0) {
    if (errno == EINTR) continue;
    if (errno != ECHILD) throw_errno(format("waitid(P_PIDFD of {})", pid));
    error = "its exit status was taken by a wait() elsewhere, or SIGCHLD is ignored";
    info.si_code = CLD_EXITED;
    info.si_status = EXIT_FAILURE;
    break;
  }
  exitcode = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  hear_child();
  line.reset();
  life = Life::kEnded;
  return true;
}

void Process::State::send_signal(int signal) const {
  if (life != Life::kStarted) return;
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
    throw_errno(format("pidfd_send_signal({}, {})", pid, signal));
  }
}

Process::Process(Options options, Call call) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->call = std::move(call);
  if (state_->options.name.empty()) state_->options.name = next_child_name();
}

Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  Process old(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

Process::~Process() {
  if (!state_ || state_->life != State::Life::kStarted || state_->owner != ::getpid()) return;
  try {
    if (daemon()) {
      stop(*this, kDaemonGrace);
    } else {
      join();
    }
  } catch (const Error& error) {
    std::fputs(format("towpath: process {}: {}\n", name(), error.what()).c_str(), stderr);
  }
}

void Process::start() {
  State& s = *state_;
  if (s.life != State::Life::kNew)
    throw Invalid(format("process {} was started before", s.options.name));
  if (!program_remembered()) {
    throw Invalid(
        "Process::start: towpath::init(argc, argv) must be the first statement of main, because a "
        "child runs the "
        "program's file again and must not run the rest of main");
  }
  Parcel parcel = s.pack();
  s.owner = ::getpid();
  try {
    switch (s.options.method.value_or(default_start_method())) {
      case Method::kForkserver:
        s.start_by_forkserver(parcel);
        break;
      case Method::kSpawn:
        s.start_by_exec(parcel);
        break;
      case Method::kFork:
        s.start_by_fork(std::move(parcel));
        break;
    }
  } catch (...) {
    s.undo_start();
    throw;
  }
  s.call = {};
  s.life = State::Life::kStarted;
}

bool Process::join(Millis timeout) {
  state_->require_started("join");
  return state_->ended(timeout);
}

void Process::terminate() {
  state_->require_started("terminate");
  state_->send_signal(SIGTERM);
}
void Process::kill() {
  state_->require_started("kill");
  state_->send_signal(SIGKILL);
}
void Process::interrupt() {
  state_->require_started("interrupt");
  state_->send_signal(SIGINT);
}

void Process::close() {
  if (is_alive())
    throw Invalid(format("close: process {} runs: join it or terminate it first", name()));
  state_->pidfd.reset();
  state_->line.reset();
  state_->call = {};
  state_->life = State::Life::kClosed;
}

const std::string& Process::name() const { return state_->options.name; }
bool Process::daemon() const { return state_->options.daemon.value_or(false); }

bool Process::is_alive() const {
  return state_->life == State::Life::kStarted && !state_->ended(Millis{0});
}

int Process::pid() const {
  state_->require_started("pid");
  return state_->pid;
}

int Process::sentinel() const {
  state_->require_started("sentinel");
  return state_->pidfd.get();
}

std::optional<int> Process::exitcode() const {
  if (state_->life == State::Life::kStarted) state_->ended(Millis{0});
  return state_->exitcode;
}

std::optional<std::string> Process::error() const {
  if (state_->life == State::Life::kStarted) state_->ended(Millis{0});
  return state_->error;
}

bool stop(Process& process, Millis grace) {
  process.terminate();
  if (process.join(grace)) return true;
  process.kill();
  return process.join(kKillTimeout);
}

}  // namespace towpath
