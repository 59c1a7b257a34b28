#include "towpath/process/job.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/program_session.h"
#include "towpath/process/identity.h"
#include "towpath/process/standard_streams.h"
#include "towpath/process/target.h"
#include "towpath/process/this_process.h"
#include "towpath/process/title.h"

namespace towpath {
namespace {

constexpr size_t kMaxText = size_t{32} * 1024;  // of an error that the parent is told

// The parent is gone, so nobody wants this process's work or its exit code.
[[noreturn]] void end_as_orphan() { ::_exit(EXIT_FAILURE); }

// From here on the kernel kills this process when its parent ends; it may have ended before.
void bind_to_parent(int64_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw_errno("prctl(PR_SET_PDEATHSIG)");
  if (::getppid() != parent) end_as_orphan();
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
  thunk(function, in);
}

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type.name();
}

// The exception being handled, as "type: text".
std::string describe_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    return format("{}: {}", type_name(typeid(error)), error.what());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type == nullptr ? "an unknown exception" : "an exception of type " + type_name(*type);
  }
}

void tell(const std::string& name, int line, const std::string& what) {
  const std::string text = format(
      "towpath: process {} (pid {}) ended by an uncaught exception: {}\n", name, ::getpid(), what);
  // Without stderr there is still the parent's error().
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  try {
    send_packet(
        line, to_bytes(ChildMessage{.kind = FromChild::kFailed, .text = what.substr(0, kMaxText)}),
        {}, Millis{1'000});
  } catch (const Error&) {
    // The parent closed its end: it does not want to know.
  }
}

[[noreturn]] void run_job(const Job& job, std::vector<UniqueFd> fds) {
  int code = EXIT_SUCCESS;
  try {
    settle(job, fds);
    run_call(job, std::move(fds));
  } catch (...) {
    tell(job.name, parent_sentinel(), describe_exception());
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
    bind_to_parent(job.parent);
    if (between != 0) {
      const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
      if (!self) throw_errno("pidfd_open");
      send_packet(line_number, to_bytes(ChildMessage{.pid = ::getpid(), .between = between}),
                  std::array{self.get()}, Millis{10'000});
      // A parent that could not take that has failed to start us.
      if (!receive_packet(line_number)) end_as_orphan();
    }
    become_child(job.name, static_cast<int>(job.parent), PrivateFd(std::move(line)),
                 job.default_method);
    adopt_program_session(job.session);
    run_job(job, std::move(packet->fds));
  } catch (const Closed&) {
    end_as_orphan();
  } catch (...) {
    tell(name, line_number, describe_exception());
    std::exit(EXIT_FAILURE);
  }
}

void run_forked_child(UniqueFd line, const Job& job, std::vector<UniqueFd> fds) {
  for (int signal = 1; signal < NSIG; ++signal) {
    ::signal(signal, signal == SIGINT ? SIG_IGN : SIG_DFL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::on_exit(&end_of_forked_child, nullptr);
  close_private_fds_of_parent();
  try {
    open_standard_streams();
    bind_to_parent(job.parent);
  } catch (...) {
    tell(job.name, line.get(), describe_exception());
    std::exit(EXIT_FAILURE);
  }
  become_child(job.name, static_cast<int>(job.parent), PrivateFd(std::move(line)),
               job.default_method);
  run_job(job, std::move(fds));
}

}  // namespace towpath
