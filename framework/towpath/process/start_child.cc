#include "towpath/process/start_child.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/program_session.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/job.h"
#include "towpath/process/signal_process.h"
#include "towpath/process/subreaper.h"
#include "towpath/process/this_process.h"
#include "towpath/process/threads.h"

namespace towpath {
namespace {

constexpr Millis kStartTimeout{60'000};
constexpr int kForkserverAttempts = 3;

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

Parcel pack(const Options& options, const Call& call) {
  Parcel parcel;
  Job& job = parcel.job;
  const auto add = [&parcel](UniqueFd fd) {
    if (!fd) return -1;
    parcel.fds.push_back(fd.get());
    parcel.own.push_back(std::move(fd));
    return static_cast<int>(parcel.fds.size()) - 1;
  };
  job.parent = ::getpid();
  job.parent_name = current_process().name();
  job.name = options.name;
  job.daemon = options.daemon;
  job.outlives_parent = options.outlives_parent;
  job.session = program_session_id();
  job.key = program_key().bytes();
  job.default_method = get_start_method();
  job.log_level = log_level();
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

// A start under way: what it has made so far ends with it unless it is taken.
class Start {
 public:
  explicit Start(const Options& options) : options_(options) {}
  Start(const Start&) = delete;
  ~Start();

  void by_forkserver(const Parcel& parcel);
  void by_exec(const Parcel& parcel);
  void by_fork(Parcel parcel, Call& call);

  ChildState::Started take() { return std::exchange(made_, {}); }

 private:
  bool await_started();

  const Options& options_;
  ChildState::Started made_;
};

// What a start that failed has left must not run: it would be a second one when it is tried again.
// A child of the forkserver has not been told to go on and sees the end of its line.
Start::~Start() {
  made_.line.reset();
  if (!made_.pidfd) {
    if (made_.pid != 0) ::waitpid(made_.pid, nullptr, 0);
    return;
  }
  signal_process(made_.pidfd.get(), SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(made_.pidfd.get()), &info, WEXITED) != 0 &&
         errno == EINTR) {
  }
}

// Whether the child is there; false: its forkserver died before it was.
bool Start::await_started() {
  std::optional<Packet> packet;
  try {
    packet = receive_packet(made_.line.get(), kStartTimeout);
  } catch (const EndOfStream&) {
    return false;
  } catch (const LostDescriptors& lost) {
    made_.pid = static_cast<pid_t>(from_bytes<ChildMessage>(lost.bytes()).pid);
    throw;
  }
  if (!packet) {
    throw Timeout(format("process {}: the forkserver (pid {}) did not answer in {} s",
                         options_.name, Forkserver::of_this_process().pid(),
                         kStartTimeout.count() / 1000));
  }
  const auto message = from_bytes<ChildMessage>(packet->bytes);
  if (message.kind == FromChild::kFailed) {
    throw Error(format("process {} could not be started: {}", options_.name, message.text));
  }
  expect(packet->fds.size() == 1, "a started child sends its pidfd");
  made_.pid = static_cast<pid_t>(message.pid);
  made_.pidfd = PrivateFd(std::move(packet->fds.front()));
  try {
    send_packet(made_.line.get(), to_bytes(ToChild::kGo), {}, kStartTimeout);
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

void Start::by_forkserver(const Parcel& parcel) {
  for (int attempt = 1; attempt <= kForkserverAttempts; ++attempt) {
    auto [mine, its] = packet_pair();
    made_.line = PrivateFd(std::move(mine));
    send_parcel(made_.line.get(), parcel);
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
  throw Error(
      format("process {}: the forkserver died {} times while it was to start it; the last one {}. "
             "Is towpath::init(argc, argv) the first statement of main? What stands before it runs "
             "in the forkserver, too",
             options_.name, kForkserverAttempts, Forkserver::of_this_process().last_end()));
}

void Start::by_exec(const Parcel& parcel) {
  auto [mine, its] = packet_pair();
  made_.line = PrivateFd(std::move(mine));
  Launched launched = exec_self(ExecRole::kChild, its.get(), Parenthood::kProcess);
  made_.pid = launched.pid;
  made_.pidfd = PrivateFd(std::move(launched.pidfd));
  its.reset();
  try {
    // Only now, when the child has its parent for good: it checks that when the job arrives.
    send_parcel(made_.line.get(), parcel);
  } catch (const Closed&) {
    // It has ended already, as its exit code says.
  }
}

void Start::by_fork(Parcel parcel, Call& call) {
  if (const size_t threads = count_threads_that_stay(); threads > 1) {
    throw Unsupported(
        format("process {}: fork in a process with {} threads: a lock held by another thread would "
               "stay locked in "
               "the child. Start it before the threads, or use kForkserver or kSpawn",
               options_.name, threads));
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
  made_.line = PrivateFd(std::move(mine));
  made_.pid = child;
  // Not reaped yet, so the number is still this child's.
  made_.pidfd = PrivateFd(UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0))));
  if (!made_.pidfd) {
    const int why = errno;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    throw SystemError(format("pidfd_open({})", child), why);
  }
}

}  // namespace

ChildState::Started start_child(const Options& options, Method method, Call& call) {
  Parcel parcel = pack(options, call);
  Start start(options);
  switch (method) {
    case Method::kForkserver:
      start.by_forkserver(parcel);
      break;
    case Method::kSpawn:
      start.by_exec(parcel);
      break;
    case Method::kFork:
      start.by_fork(std::move(parcel), call);
      break;
  }
  ChildState::Started started = start.take();
  log(Level::kDebug, format("process {} (pid {}) was started by {}", options.name, started.pid,
                            method_name(method)));
  return started;
}

}  // namespace towpath
