// A program chooses its start method once; a library takes a context instead, and changes nothing
// for others. What one context makes works in another: Towpath's locks and queues are names that
// every process of the program can open. (Python refuses that where a lock has no name, by fork.)
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

// By spawn a child has neither: it begins afresh.
bool set_in_main = false;           // by fork a child has its parent's memory
bool loaded_by_forkserver = false;  // by forkserver what that has loaded

std::string beginning() {
  return set_in_main ? "fork" : loaded_by_forkserver ? "forkserver" : "spawn";
}

void hello(Queue<std::string> queue) { queue.put("hello by " + beginning()); }

void use(Lock lock) {
  const Lock::Guard guard = lock.guard();
  say("a lock of one context in a process of another, by " + beginning());
}

void leave_marks() {
  set_in_main = true;
  set_forkserver_preload({[] { loaded_by_forkserver = true; }});
}

// In a process of its own: the choice holds for the whole of it.
void choose() {
  leave_marks();
  set_start_method("spawn");
  Queue<std::string> queue;
  Process child(&hello, queue);
  child.start();
  say(queue.get());
  try {
    set_start_method("fork");
  } catch (const Invalid& error) {
    say(error.what());
  }
}

}  // namespace

void start_methods() {
  Process program(&choose);
  program.start();
  program.join();

  leave_marks();
  const Context spawn = get_context("spawn"), forkserver = get_context("forkserver");
  auto queue = spawn.Queue<std::string>();
  auto child = spawn.Process(&hello, queue);
  child.start();
  say(queue.get());
  auto other = forkserver.Process(&use, spawn.Lock());
  other.start();
  other.join();
  try {
    get_context("vfork");
  } catch (const Invalid& error) {
    say(error.what());
  }
  set_in_main = false;
  set_forkserver_preload({});
}

}  // namespace tour
