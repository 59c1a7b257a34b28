#pragma once
#include "towpath/base/unique_fd.h"
#include "towpath/process/exec_self.h"

namespace towpath {

// The forkserver of this process: this program's file executed afresh, before it could have threads
// or state, forking on request. It is started when first needed (or by warm_up), again when it was
// killed, and ends with this process.
//
// A child is forked twice: the forkserver's own child ends at once, and the kernel hands its child
// up to this process, which is its parent from then on and reaps it. Any thread may call.
class Forkserver {
 public:
  static Forkserver& of_this_process();

  // Starts the server unless it runs, so that the first child needn't wait for it.
  void warm_up();
  // Hands `line` to a new child, which waits there for its Job. Closed: the server died; call
  // again.
  void request(int line);
  // A child was lost before it answered. A server that is being killed still takes requests, and
  // lets them fall: this waits for its end, so that the next request starts another.
  void forget_if_dying();
  bool is_running();
  int pid();  // 0: none was started

 private:
  Forkserver() = default;
  struct Server;
};

// The server's own loop.
[[noreturn]] void run_forkserver(UniqueFd line);

}  // namespace towpath
