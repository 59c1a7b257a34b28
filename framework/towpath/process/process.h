#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "towpath/base/clock.h"
#include "towpath/process/child.h"
#include "towpath/process/method.h"
#include "towpath/process/options.h"
#include "towpath/process/target.h"

namespace towpath {

// A function that runs in an operating-system process of its own.
//
// Target     a function of the program or of a shared library that it has loaded; see target.h.
// Arguments  are encoded when the Process is made, and arrive as equal values. A Descriptor among
//            them arrives as an open descriptor. Locks, queues and shared memory among them live
//            at least as long as this object, so that the child finds them.
// Child      stdin is /dev/null; stdout, stderr and working directory are the parent's. It ignores
//            SIGINT (Ctrl-C reaches the whole group, and the parent decides) and, as after init,
//            SIGXFSZ; other signals have their default action. By kForkserver and kSpawn it has no
//            other descriptor of the parent's. Its environment is the parent's, and Options.env;
//            by kForkserver it is that of the forkserver's beginning: what the parent sets after
//            its first child does not get there.
// Ending     when the target returns, by exit(0), so atexit hooks of the child run; by exit(1)
//            after an uncaught exception: its text, and the file and line of each frame of the
//            throw (names or places, where the program was stripped of them), go to stderr, its
//            text to error(). By kFork, hooks that the parent had set do not run.
// Its threads  as in any C++ program: exit() waits for a std::jthread that is static, and the
//            target's own end with its variables, so these finish (Python's non-daemon threads). A
//            detached thread is stopped in its midst (Python's daemon threads); a joinable
//            std::thread that is destroyed, and an exception that leaves a thread, end the process
//            by SIGABRT.
// Deaths     when the parent ends in any way, the kernel kills the child, and so all below it;
//            unless Options.outlives_parent. To the kernel the parent is its main thread: a main
//            that leaves by pthread_exit(), while other threads go on, loses its children then.
// Destructor joins; a daemon is terminated. Where destructors don't run, at exit(), the same is
//            done, and the log tells whom exit waits for.
// Processes  one: in a child of fork, whose child it is not, all but name and daemon is Invalid.
// Threads    one object, one thread; but terminate, kill, interrupt may be called beside a join,
//            and all of Child's.
// Source     Python's multiprocessing.Process. join says whether the process ended. A daemon may
//            have children: they die with it, and are daemons only if their Options say so. Name
//            and daemon are fixed by the Options, so nobody can set them too late. There is no
//            authkey here: a child begins with its parent's (program_key()), and may set its own by
//            current_process().
class Process {
 public:
  template <class F, class... A>
  requires(!std::is_same_v<std::decay_t<F>, Options> &&
           !std::is_same_v<std::decay_t<F>, Process>) explicit Process(F fn, A&&... args)
      : Process(Options{}, fn, std::forward<A>(args)...) {}
  template <class F, class... A>
  Process(Options options, F fn, A&&... args)
      : Process(std::move(options), calls::make(fn, std::forward<A>(args)...)) {}
  Process(Options options, Call call);

  // The child makes a T of the arguments and runs it.
  template <std::derived_from<Runnable> T, class... A>
  static Process of(A&&... args) {
    return of<T>(Options{}, std::forward<A>(args)...);
  }
  template <std::derived_from<Runnable> T, class... A>
  static Process of(Options options, A&&... args) {
    return Process(std::move(options), &calls::run_object<T, std::decay_t<A>...>,
                   std::forward<A>(args)...);
  }

  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;  // what stood here before ends as by the destructor
  ~Process();

  // Invalid: init is missing in main, or it was started before. Unsupported: kFork with threads.
  // After a failure it may be tried again.
  void start();
  // Waits for the end and reaps: true when ended. Invalid before start.
  bool join(Millis timeout = kForever);

  // SIGTERM, SIGKILL, SIGINT. Nothing happens to a process that has ended. Invalid before start. No
  // hooks run in it; what it shares by name (locks, queues, memory) stays as good as before.
  void terminate();
  void kill();
  void interrupt();
  // Gives everything back. Invalid while it runs.
  void close();

  const std::string& name() const;
  bool daemon() const;
  bool is_alive() const;
  bool is_stopped() const;  // by SIGSTOP, or Ctrl-Z; SIGKILL ends it all the same
  int pid() const;          // Invalid before start
  int sentinel() const;     // readable once the process has ended; a pidfd. Invalid before start
  // None while it runs; n for exit(n); -s when signal s killed it.
  std::optional<int> exitcode() const;
  // Of a child that ended by an uncaught exception: its type and text.
  std::optional<std::string> error() const;

 private:
  struct State;
  ChildState& started(const char* what) const;
  std::unique_ptr<State> state_;
};

namespace children {

// SIGTERM, then SIGKILL after `grace`. False: not even that has ended it, in 10 s more.
bool stop(Process& process, Millis grace);

}  // namespace children

}  // namespace towpath
