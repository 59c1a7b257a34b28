// A program chooses its start method once; a library takes a context instead, and changes nothing
// for others. What one context makes works in another: Towpath's locks and queues are names that
// every process of the program can open. (Python refuses that where a lock has no name, by fork.)
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void hello(Queue<std::string> queue) { queue.put("hello"); }

void use(Lock lock) {
  const Lock::Guard guard = lock.guard();
  say("a lock of one context in a process of another");
}

// In a process of its own: the choice holds for the whole of it.
void choose() {
  set_start_method("spawn");
  Queue<std::string> queue;
  Process child(&hello, queue);
  child.start();
  say(queue.get() + " by " + std::string(method_name(get_start_method())));
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

  const Context spawn = get_context("spawn"), forkserver = get_context("forkserver");
  auto queue = spawn.Queue<std::string>();
  auto child = spawn.Process(&hello, queue);
  child.start();
  say(queue.get() + " by a context of spawn");
  auto other = forkserver.Process(&use, spawn.Lock());
  other.start();
  other.join();
  try {
    get_context("vfork");
  } catch (const Invalid& error) {
    say(error.what());
  }
}

}  // namespace tour
