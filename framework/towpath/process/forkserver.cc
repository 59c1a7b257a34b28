#include "towpath/process/forkserver.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <mutex>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/wait.h"
#include "towpath/process/job.h"
#include "towpath/process/private_fd.h"
#include "towpath/process/title.h"

namespace towpath {
namespace {

constexpr Millis kSendTimeout{10'000};
constexpr Millis kEndTimeout{2'000};

std::mutex mutex;

}  // namespace

// One server process, from its start to its end.
struct Forkserver::Server {
  PrivateFd line;
  pid_t pid = 0;
  PrivateFd pidfd;
  pid_t owner = ::getpid();

  Server() {
    auto [mine, its] = packet_pair();
    line = PrivateFd(std::move(mine));
    Launched launched = exec_self(ExecRole::kForkserver, its.get(), Parenthood::kThread);
    pid = launched.pid;
    pidfd = PrivateFd(std::move(launched.pidfd));
  }

  // It ends when its line closes; then its entry in the process table is ours to take away.
  ~Server() {
    if (owner != ::getpid()) return;
    line.reset();
    if (!wait_readable(pidfd.get(), kEndTimeout)) {
      ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    }
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  // The one of this process; a child that fork made starts its own. Call it with the mutex held.
  static std::unique_ptr<Server>& current() {
    static std::unique_ptr<Server> it;
    if (it && it->owner != ::getpid()) it.reset();
    return it;
  }
};

Forkserver& Forkserver::of_this_process() {
  static Forkserver it;
  return it;
}

void Forkserver::warm_up() {
  const std::lock_guard lock(mutex);
  auto& server = Server::current();
  if (!server) server = std::make_unique<Server>();
}

void Forkserver::request(int line) {
  const std::lock_guard lock(mutex);
  auto& server = Server::current();
  if (!server) server = std::make_unique<Server>();
  try {
    send_packet(server->line.get(), {}, {&line, 1}, kSendTimeout);
  } catch (const Closed&) {
    server.reset();
    throw;
  }
}

int Forkserver::pid() {
  const std::lock_guard lock(mutex);
  const auto& server = Server::current();
  return server ? server->pid : 0;
}

namespace {

UniqueFd pidfd_of_self() {
  UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self) throw_errno("pidfd_open");
  return self;
}

void report_failure(int line, const std::string& text) {
  try {
    send_packet(line, to_bytes(ChildMessage{FromChild::kFailed, ::getpid(), text}), {},
                Millis{1'000});
  } catch (const Error&) {
    // The one who asked is gone: nobody waits for an answer.
  }
}

// Runs in the process between the forkserver and the child. Returns in the child alone.
void fork_child(const UniqueFd& line) {
  const UniqueFd middle = pidfd_of_self();
  const pid_t child = ::fork();
  if (child < 0) report_failure(line.get(), format("forkserver: fork: {}", ::strerror(errno)));
  if (child != 0) ::_exit(0);
  // The kernel hands this process up before it tells of its parent's end.
  wait_readable(middle.get());
}

}  // namespace

void run_forkserver(UniqueFd server_line) {
  set_process_title("towpath: forkserver");
  ::signal(SIGCHLD, SIG_IGN);  // the kernel reaps the processes in between
  for (;;) {
    UniqueFd line;
    try {
      std::optional<Packet> packet = receive_packet(server_line.get());
      if (!packet || packet->fds.size() != 1) throw Invalid("forkserver: a request without a line");
      line = std::move(packet->fds.front());
    } catch (const EndOfStream&) {
      ::exit(0);
    }
    const pid_t middle = ::fork();
    if (middle < 0) report_failure(line.get(), format("forkserver: fork: {}", ::strerror(errno)));
    if (middle == 0) {
      server_line.reset();
      fork_child(line);
      ::signal(SIGCHLD, SIG_DFL);
      run_child(std::move(line), true);
    }
  }
}

}  // namespace towpath
