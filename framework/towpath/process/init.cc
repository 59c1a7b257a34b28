#include "towpath/process/init.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/log.h"
#include "towpath/base/process_hooks.h"
#include "towpath/base/program_session.h"
#include "towpath/process/code_address.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/hub.h"
#include "towpath/process/job.h"
#include "towpath/process/keep_folder.h"
#include "towpath/process/standard_streams.h"
#include "towpath/process/this_process.h"
#include "towpath/process/title.h"
#include "towpath/process/title_space.h"

namespace towpath {
namespace {

[[noreturn]] void run_role(Marked mark) {
  switch (mark.role) {
    case ExecRole::kChild:
      run_child(std::move(mark.line));
    case ExecRole::kForkserver:
      run_forkserver(std::move(mark.line));
    case ExecRole::kKeeper:
      run_keeper(std::move(mark.line));
    case ExecRole::kHub:
      run_hub(std::move(mark.line));
  }
  throw Bug("a role that does not exist");
}

std::string name_function(void (*function)()) {
  return to_bytes(locate_code(reinterpret_cast<const void*>(function)));
}

void (*find_function(std::string_view bytes))() {
  return reinterpret_cast<void (*)()>(resolve_code(from_bytes<CodeAddress>(bytes)));
}

}  // namespace

void init(int argc, char** argv) {
  find_title_space(argc, argv);
  remember_program(argc, argv);
  set_process_hooks({&keep_folder, &name_function, &find_function, &start_hub});
  ::signal(SIGXFSZ, SIG_IGN);
  try {
    open_standard_streams();
    if (!is_marked(argc, argv)) {
      set_log_name(current_process().name());
      sweep_shared_root();
      return;
    }
    run_role(parse_mark(argc, argv));
  } catch (const std::exception& error) {
    const std::string text = format("towpath: {}\n", error.what());
    std::fputs(text.c_str(), stderr);
    std::exit(EXIT_FAILURE);
  }
}

}  // namespace towpath
