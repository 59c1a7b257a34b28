#pragma once
#include <string>
#include <vector>

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
  using Preload = void (*)();
  static Forkserver& of_this_process();

  // Starts the server unless it runs, so that the first child needn't wait for it.
  void warm_up();
  // What the next server runs before it forks; one that runs ends.
  void set_preload(std::vector<Preload> functions);
  // Hands `line` to a new child, which waits there for its Job. Closed: the server died; call
  // again.
  void request(int line);
  // A child was lost before it answered. A server that is being killed still takes requests, and
  // lets them fall: this waits for its end, so that the next request starts another.
  void forget_if_dying();
  bool is_running();
  int pid();  // 0: none was started
  // How the last one that died came to that: "was killed by signal 9", "ended with exit code 2".
  std::string last_end();

 private:
  Forkserver() = default;
  struct Server;
};

// Has the forkserver run functions once, before it forks: what they load (tables, models) is then
// in the memory of every child that it starts, shared until it is written to. In this process only:
// its children have forkservers of their own.
//
// Call it before the first child; later it takes a new forkserver, and children that run stay as
// they are. Children by kSpawn and kFork know nothing of it.
// Errors  a function that throws, or that starts a thread (which no child would have), makes every
//         start by the forkserver fail with its error.
// Source  Python's multiprocessing.set_forkserver_preload, which names modules to import, and
//         passes over those that fail.
void set_forkserver_preload(std::vector<void (*)()> functions);

// The server's own loop.
[[noreturn]] void run_forkserver(UniqueFd line);

}  // namespace towpath
