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
#include "towpath/base/private_fd.h"
#include "towpath/base/program_key.h"
#include "towpath/base/program_session.h"
#include "towpath/base/way_out.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/wait.h"
#include "towpath/process/job.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/signal_process.h"
#include "towpath/process/threads.h"
#include "towpath/process/title.h"

namespace towpath {
namespace {

constexpr Millis kSendTimeout{10'000};
constexpr Millis kEndTimeout{2'000};
constexpr Millis kDyingTimeout{200};

// The first packet of a server's line: what it runs, as a process of which program.
struct Preloading {
  std::vector<CodeAddress> functions;
  std::string session;  // program_session_id()
  std::string key;      // program_key()
  TOWPATH_FIELDS(functions, session, key)
};

std::mutex mutex;

// With the mutex held.
std::vector<Forkserver::Preload>& preload() {
  static auto* const functions = new std::vector<Forkserver::Preload>;
  return *functions;
}
std::string& how_ended() {
  static auto* const text = new std::string("has not ended");
  return *text;
}

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
    Preloading first{{}, program_session_id(), program_key().bytes()};
    for (const Preload function : preload()) {
      first.functions.push_back(locate_code(reinterpret_cast<const void*>(function)));
    }
    send_packet(line.get(), to_bytes(first));
    Launched launched = exec_self(ExecRole::kForkserver, its.get(), Parenthood::kThread);
    pid = launched.pid;
    pidfd = PrivateFd(std::move(launched.pidfd));
  }

  // It ends when its line closes; then its entry in the process table is ours to take away.
  ~Server() {
    if (owner != ::getpid()) return;
    line.reset();
    if (!wait_readable(pidfd.get(), kEndTimeout)) {
      signal_process(pidfd.get(), SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    how_ended() = WIFSIGNALED(status) ? format("was killed by signal {}", WTERMSIG(status))
                                      : format("ended with exit code {}", WEXITSTATUS(status));
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

void Forkserver::set_preload(std::vector<Preload> functions) {
  const std::lock_guard lock(mutex);
  for (const Preload function : functions) {
    (void)locate_code(reinterpret_cast<const void*>(function));  // Invalid here, not there
  }
  preload() = std::move(functions);
  Server::current().reset();
}

void set_forkserver_preload(std::vector<void (*)()> functions) {
  Forkserver::of_this_process().set_preload(std::move(functions));
}

std::string Forkserver::last_end() {
  const std::lock_guard lock(mutex);
  return how_ended();
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

void Forkserver::forget_if_dying() {
  const std::lock_guard lock(mutex);
  auto& server = Server::current();
  if (server && wait_readable(server->pidfd.get(), kDyingTimeout)) server.reset();
}

bool Forkserver::is_running() {
  const std::lock_guard lock(mutex);
  const auto& server = Server::current();
  return server && !wait_readable(server->pidfd.get(), Millis{0});
}

int Forkserver::pid() {
  const std::lock_guard lock(mutex);
  const auto& server = Server::current();
  return server ? server->pid : 0;
}

namespace {

std::string show_refused(std::string_view call, int error) {
  return format("forkserver: {}: {}{}", call, ::strerror(error), way_out(call, error));
}

void report_failure(int line, const std::string& text) {
  try {
    send_packet(line, to_bytes(ChildMessage{.kind = FromChild::kFailed, .text = text}), {},
                Millis{1'000});
  } catch (const Error&) {
    // The one who asked is gone: nobody waits for an answer.
  }
}

// Makes a child for `line`, by way of a process in between that ends at once, so that the kernel
// hands the child up to the subreaper. The one in between borrows this process's memory, which
// spares copying its page tables: so it changes nothing there.
void fork_twice(UniqueFd& line, UniqueFd& server_line) {
  // NOLINTNEXTLINE(bugprone-unsafe-functions): it may stop this process, which does nothing else.
  const pid_t between = ::vfork();
  if (between < 0) report_failure(line.get(), show_refused("vfork", errno));
  if (between != 0) return;
  const pid_t itself = ::getpid();
  const int its_end = static_cast<int>(::syscall(SYS_pidfd_open, itself, 0));
  const pid_t child = its_end < 0 ? -1 : ::fork();
  if (child < 0) report_failure(line.get(), show_refused("pidfd_open, fork", errno));
  if (child != 0) ::_exit(0);
  // In the child, with memory of its own. The kernel hands a process up before it tells of the
  // parent's end.
  server_line.reset();
  close_private_fds_of_parent();
  ::signal(SIGCHLD, SIG_DFL);
  wait_readable(UniqueFd(its_end).get());
  run_child(std::move(line), itself);
}

// Empty, or why there will be no children.
std::string run_preload(int server_line) {
  try {
    const std::optional<Packet> packet = receive_packet(server_line);
    expect(packet.has_value(), "forkserver: no first packet");
    const auto first = from_bytes<Preloading>(packet->bytes);
    adopt_program_session(first.session);
    set_program_key(AuthKey(first.key));
    for (const CodeAddress& address : first.functions) {
      reinterpret_cast<void (*)()>(resolve_code(address))();
      if (const size_t threads = count_threads(); threads > 1) {
        throw Unsupported(format(
            "it has started a thread (there are {}), which children would not have", threads));
      }
    }
    return {};
  } catch (const EndOfStream&) {
    ::exit(0);
  } catch (...) {
    const RemoteTrace what = trace_of_current_exception();
    return format("forkserver: a preload function failed: {}",
                  what.message.empty() ? what.type : what.type + ": " + what.message);
  }
}

}  // namespace

void run_forkserver(UniqueFd server_line) {
  set_process_title("towpath: forkserver");
  const std::string refusal = run_preload(server_line.get());
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
    if (refusal.empty()) {
      fork_twice(line, server_line);
    } else {
      report_failure(line.get(), refusal);
    }
  }
}

}  // namespace towpath
