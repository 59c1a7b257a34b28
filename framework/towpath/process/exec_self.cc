#include "towpath/process/exec_self.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/signal_mask.h"
#include "towpath/process/subreaper.h"

// The child of clone(CLONE_VM) runs in its parent's memory until it executes, on a stack of its
// own: so it may call nothing that locks, allocates or is watched by a sanitizer. System calls
// only.
#define TOWPATH_IN_PARENTS_MEMORY __attribute__((no_sanitize("address", "thread", "undefined")))

// clone(2) under the name that ThreadSanitizer does not intercept: it takes every clone for a fork,
// and would mark the memory that is still its own process's as a child's.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's own.
extern "C" int __clone(int (*run)(void*), void* stack, int flags, void* argument, ...);

namespace towpath {
namespace {

constexpr const char* kMark = "--towpath-process";
constexpr int kLine = 3;             // where the child finds its line
constexpr size_t kTitleSpace = 300;  // argv is where a process's title is written
constexpr size_t kStackBytes = size_t{64} * 1024;

// main's argv[0], once init has been called.
std::optional<std::string>& program_name() {
  static std::optional<std::string> name;
  return name;
}

std::string_view role_name(ExecRole role) {
  switch (role) {
    case ExecRole::kChild:
      return "child";
    case ExecRole::kForkserver:
      return "forkserver";
    case ExecRole::kKeeper:
      return "keeper";
    case ExecRole::kHub:
      return "hub";
  }
  throw Bug("a role that does not exist");
}

constexpr uint64_t bit(int signal) { return uint64_t{1} << (signal - 1); }

// Keeper and hub serve a whole session: they must outlive whatever ends the process that started
// them, from their first moment.
bool serves_session(ExecRole role) { return role == ExecRole::kKeeper || role == ExecRole::kHub; }

// Ctrl-C reaches the whole group, and the parent decides what it means. A limit that is reached is
// an error of the call, as init has it.
uint64_t ignored_by(ExecRole role) {
  if (!serves_session(role)) return bit(SIGINT) | bit(SIGXFSZ);
  return bit(SIGINT) | bit(SIGXFSZ) | bit(SIGTERM) | bit(SIGHUP) | bit(SIGQUIT) | bit(SIGPIPE);
}

class Stack {
 public:
  Stack()
      : base_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (base_ == MAP_FAILED) throw_errno("mmap(stack)");
  }
  Stack(const Stack&) = delete;
  ~Stack() { ::munmap(base_, kStackBytes); }
  void* top() const { return static_cast<char*>(base_) + kStackBytes; }

 private:
  void* base_;
};

// Shared between the caller, who waits, and the clones that run in its memory.
struct Plan {
  const char* const* argv;
  char* const* environment;
  int line;
  int null;
  void* child_stack;
  uint64_t ignored;  // signals, bit by number
  bool own_session;
  int pidfd = -1;
  pid_t pid = 0;
  int error = 0;
};

// As the kernel has it. All zeros: the default action.
struct KernelAction {
  uintptr_t handler;
  unsigned long rest[4];
};

TOWPATH_IN_PARENTS_MEMORY int execute(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  for (int signal = 1; signal <= 64; ++signal) {
    KernelAction action{};
    if (plan.ignored >> (signal - 1) & 1) action.handler = 1;  // SIG_IGN; lasts beyond exec
    ::syscall(SYS_rt_sigaction, signal, &action, nullptr, 8);
  }
  if (plan.own_session) ::syscall(SYS_setsid);
  const uint64_t none = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8);
  ::syscall(SYS_dup3, plan.null, STDIN_FILENO, 0);
  if (plan.line == kLine) {
    ::syscall(SYS_fcntl, kLine, F_SETFD, 0);
  } else {
    ::syscall(SYS_dup3, plan.line, kLine, 0);
  }
  ::syscall(SYS_close_range, kLine + 1, ~0U, 0);
  ::syscall(SYS_execve, "/proc/self/exe", plan.argv, plan.environment);
  plan.error = errno;
  ::syscall(SYS_exit, 127);
  return 127;
}

TOWPATH_IN_PARENTS_MEMORY void clone_child(Plan& plan) {
  plan.pid = ::__clone(&execute, plan.child_stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                       &plan, &plan.pidfd);
  if (plan.pid < 0) plan.error = errno;
}

// A process between parent and child: ends at once, so the kernel finds the child a new parent.
// Shares the descriptor table, so that the pidfd is the caller's.
TOWPATH_IN_PARENTS_MEMORY int be_middle(void* argument) {
  clone_child(*static_cast<Plan*>(argument));
  ::syscall(SYS_exit, 0);
  return 0;
}

void launch(Plan& plan, Parenthood parenthood) {
  if (parenthood == Parenthood::kThread || ::getpid() == ::gettid()) {
    clone_child(plan);
    return;
  }
  const Stack stack;
  const SubreaperWindow adopt_the_child;
  const pid_t middle =
      ::__clone(&be_middle, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_FILES, &plan);
  if (middle < 0) {
    plan.error = errno;
    return;
  }
  // It sends no signal at its end, so nobody else's wait can take it.
  while (::waitpid(middle, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

}  // namespace

Launched exec_self(ExecRole role, int line, Parenthood parenthood) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) throw_errno("open(/dev/null)");
  const std::string role_text(role_name(role));
  const std::string title_space(kTitleSpace, ' ');
  const std::array<const char*, 5> argv{program_name().value().c_str(), kMark, role_text.c_str(),
                                        title_space.c_str(), nullptr};
  const Stack stack;
  Plan plan{argv.data(),         environ, line, null.get(), stack.top(), ignored_by(role),
            serves_session(role)};
  // A handler that ran in the clone would run in this process's memory.
  {
    const SignalsBlocked blocked;
    launch(plan, parenthood);
  }
  UniqueFd pidfd(plan.pidfd);
  if (plan.error != 0) {
    if (plan.pid > 0) ::waitpid(plan.pid, nullptr, 0);
    throw SystemError(plan.pid > 0 ? "execve(/proc/self/exe)" : "clone(a process)", plan.error);
  }
  return {plan.pid, std::move(pidfd)};
}

void remember_program(int argc, char** argv) { program_name() = argc > 0 ? argv[0] : "towpath"; }

bool program_remembered() { return program_name().has_value(); }

bool is_marked(int argc, char** argv) { return argc >= 3 && std::string_view(argv[1]) == kMark; }

Marked parse_mark(int argc, char** argv) {
  expect(is_marked(argc, argv), "parse_mark: not a child's arguments");
  // The program's own name of it, close-on-exec for what the child may execute.
  if (::fcntl(kLine, F_SETFD, FD_CLOEXEC) != 0) {
    throw Invalid(
        format("{} is for processes that Towpath starts, not for the command line", kMark));
  }
  for (const ExecRole role :
       {ExecRole::kChild, ExecRole::kForkserver, ExecRole::kKeeper, ExecRole::kHub}) {
    if (argv[2] == role_name(role)) return {role, UniqueFd(kLine)};
  }
  throw Invalid(format("{} {}: no such role", kMark, argv[2]));
}

}  // namespace towpath
