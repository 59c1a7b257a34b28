#pragma once
#include <sys/types.h>

#include "towpath/base/unique_fd.h"

namespace towpath {

// What a process that executes this program's file again is there for.
enum class ExecRole { kChild, kForkserver, kKeeper, kHub };

struct Launched {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// Whose end PR_SET_PDEATHSIG will tell the child of.
enum class Parenthood {
  kThread,   // the calling thread's
  kProcess,  // the main thread's, whichever thread calls
};

// Executes this program's file again in a new process that has no descriptor but the standard
// streams (stdin from /dev/null) and `line`, no blocked signal, and default actions except for
// SIGINT, which it ignores; keeper and hub ignore more, in a session of their own. Never copies
// this process's page tables: a large parent costs nothing. SystemError if it can't be executed.
Launched exec_self(ExecRole role, int line, Parenthood parenthood);

// init remembers what exec_self needs, and finds the role again in the child.
void remember_program(int argc, char** argv);
bool program_remembered();
struct Marked {
  ExecRole role;
  UniqueFd line;
};
bool is_marked(int argc, char** argv);
Marked parse_mark(int argc, char** argv);

}  // namespace towpath
