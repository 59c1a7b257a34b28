#pragma once
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "towpath/base/log.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/process/code_address.h"
#include "towpath/process/method.h"

// What parent and child say to each other over the child's line, a packet pair:
//
//   parent ── Job (with descriptors) ──▶ child
//   parent ◀── started (with pidfd) ─── child of the forkserver, when its parent is right; one that
//                                       exec made says it as well, without pidfd
//   parent ── go ──▶ child of the forkserver, which the parent now can kill
//   parent ◀── failed (text) ────────── child, before it ends with exit code 1
//
// The line then stays open: the child sees its parent's death there, and the parent reads `failed`.

namespace towpath {

// Positions are indexes in the packet's descriptors, -1 for none.
struct Job {
  int64_t parent = 0;  // process id
  std::string parent_name;
  std::string name;
  bool daemon = false;
  bool outlives_parent = false;
  std::string session;  // program_session_id()
  std::string key;      // program_key()
  Method default_method = Method::kForkserver;
  Level log_level = Level::kInfo;
  std::vector<std::pair<std::string, std::string>> env;
  int stdout_at = -1;
  int stderr_at = -1;
  int folder_at = -1;    // working directory
  int arguments_at = 0;  // from here on: the arguments' descriptors
  CodeAddress function;
  CodeAddress thunk;
  std::string arguments;
  TOWPATH_FIELDS(parent, parent_name, name, daemon, outlives_parent, session, key, default_method,
                 log_level, env, stdout_at, stderr_at, folder_at, arguments_at, function, thunk,
                 arguments)
};

enum class ToChild : uint8_t { kGo };
enum class FromChild : uint8_t { kStarted, kFailed };

struct ChildMessage {
  FromChild kind = FromChild::kStarted;
  int64_t pid = 0;
  int64_t between = 0;  // the process between forkserver and child
  std::string text{};
  TOWPATH_FIELDS(kind, pid, between, text)
};

// The child's side, from here to exit. `line` is the child's end.
// A child that exec or the forkserver made receives its job first. With `between`, the process that
// was between forkserver and child, it says kStarted.
[[noreturn]] void run_child(UniqueFd line, pid_t between = 0);
// A child that fork made: the job is in memory, its descriptors are inherited.
[[noreturn]] void run_forked_child(UniqueFd line, const Job& job, std::vector<UniqueFd> fds);

}  // namespace towpath
