#include "towpath/process/job.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/program_key.h"
#include "towpath/base/program_session.h"
#include "towpath/process/child_state.h"
#include "towpath/process/identity.h"
#include "towpath/process/remote_error.h"
#include "towpath/process/standard_streams.h"
#include "towpath/process/target.h"
#include "towpath/process/throw_trace.h"
#include "towpath/process/title.h"

namespace towpath {
namespace {

constexpr size_t kMaxText = size_t{32} * 1024;  // of an error that the parent is told

// The parent is gone, so nobody wants this process's work or its exit code.
[[noreturn]] void end_as_orphan() { ::_exit(EXIT_FAILURE); }

// From here on the kernel kills this process when its parent ends, unless it shall live on; it may
// have ended before.
void bind_to_parent(const Job& job) {
  if (!job.outlives_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    throw_errno("prctl(PR_SET_PDEATHSIG)");
  if (::getppid() != job.parent) end_as_orphan();
}

void redirect(int from, int to) {
  if (::dup2(from, to) < 0) throw_errno(format("dup2({}, {})", from, to));
}

// Standard streams, working directory, environment, names.
void settle(const Job& job, const std::vector<UniqueFd>& fds) {
  const auto at = [&fds](int index) { return fds.at(static_cast<size_t>(index)).get(); };
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) throw_errno("open(/dev/null)");
  redirect(null.get(), STDIN_FILENO);
  redirect(job.stdout_at < 0 ? null.get() : at(job.stdout_at), STDOUT_FILENO);
  redirect(job.stderr_at < 0 ? null.get() : at(job.stderr_at), STDERR_FILENO);
  if (job.folder_at >= 0 && ::fchdir(at(job.folder_at)) != 0) throw_errno("fchdir");
  for (const auto& [name, value] : job.env) {
    if (::setenv(name.c_str(), value.c_str(), 1) != 0) throw_errno(format("setenv({})", name));
  }
  set_log_name(job.name);
  set_process_title("towpath: " + job.name);
}

void run_call(const Job& job, std::vector<UniqueFd> fds) {
  // Streams and folder are in place; their descriptors close here, the arguments' are taken by
  // them.
  fds.erase(fds.begin(), fds.begin() + job.arguments_at);
  const auto function = reinterpret_cast<Call::Function>(resolve_code(job.function));
  const auto thunk = reinterpret_cast<Call::Thunk>(resolve_code(job.thunk));
  const IncomingDescriptors descriptors(std::move(fds));
  Decoder in(job.arguments);
  const RecordThrows record;
  thunk(function, in);
}

// A reader of stderr that has gone must not end this process.
void write_to_stderr(const std::string& text) {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  ::sigaction(SIGPIPE, &before, nullptr);
}

// The exception being handled: to the parent without its trace, then on stderr with it.
void tell(const std::string& name, int line) {
  const RemoteTrace what = trace_of_current_exception();
  const std::string text = summary_of(what);
  const std::string frames = lines_of(what.frames);
  const std::string lines =
      format("towpath: process {} (pid {}) ended by an uncaught exception: {}\n{}{}", name,
             ::getpid(), text, frames, frames.empty() ? "" : "\n");
  try {
    send_packet(
        line, to_bytes(ChildMessage{.kind = FromChild::kFailed, .text = text.substr(0, kMaxText)}),
        {}, Millis{1'000});
  } catch (const Error&) {
    // The parent closed its end: it does not want to know.
  }
  write_to_stderr(lines);
}

[[noreturn]] void run_job(const Job& job, std::vector<UniqueFd> fds) {
  int code = EXIT_SUCCESS;
  try {
    settle(job, fds);
    run_call(job, std::move(fds));
  } catch (...) {
    tell(job.name, this_identity().line.get());
    code = EXIT_FAILURE;
  }
  std::exit(code);
}

// Runs after the hooks of a forked child, before those its parent had set, which are the parent's
// business.
void end_of_forked_child(int status, void*) {
  std::cout.flush();
  std::fflush(nullptr);
  ::_exit(status);
}

}  // namespace

void run_child(UniqueFd line, pid_t between) {
  std::string name = "(unnamed)";
  const int line_number = line.get();
  try {
    std::optional<Packet> packet = receive_packet(line_number);
    expect(packet.has_value(), "run_child: no job");
    Job job = from_bytes<Job>(packet->bytes);
    name = job.name;
    bind_to_parent(job);
    if (between != 0) {
      const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
      if (!self) throw_errno("pidfd_open");
      send_packet(line_number, to_bytes(ChildMessage{.pid = ::getpid(), .between = between}),
                  std::array{self.get()}, Millis{10'000});
      // A parent that could not take that has failed to start us.
      if (!receive_packet(line_number)) end_as_orphan();
    } else {
      send_packet(line_number, to_bytes(ChildMessage{.pid = ::getpid()}), {}, Millis{10'000});
    }
    become_child(job, PrivateFd(std::move(line)));
    adopt_program_session(job.session);
    set_program_key(AuthKey(job.key));
    set_log_level(job.log_level);
    run_job(job, std::move(packet->fds));
  } catch (const Closed&) {
    end_as_orphan();
  } catch (...) {
    tell(name, line_number);
    std::exit(EXIT_FAILURE);
  }
}

void run_forked_child(UniqueFd line, const Job& job, std::vector<UniqueFd> fds) {
  for (int signal = 1; signal < NSIG; ++signal) {
    ::signal(signal, signal == SIGINT || signal == SIGXFSZ ? SIG_IGN : SIG_DFL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::on_exit(&end_of_forked_child, nullptr);
  close_private_fds_of_parent();
  try {
    open_standard_streams();
    bind_to_parent(job);
  } catch (...) {
    tell(job.name, line.get());
    std::exit(EXIT_FAILURE);
  }
  become_child(job, PrivateFd(std::move(line)));
  run_job(job, std::move(fds));
}

}  // namespace towpath
