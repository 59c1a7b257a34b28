// Some things to know: a process that has ended is reaped by what asks for it; a child's stdin is
// empty; a spawned child's globals are the program's first ones, so what it needs is an argument; a
// process that is ended by force leaves a queue, a lock and shared memory as good as before.
#include <csignal>
#include <cstdio>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

int global = 1;

void tell() {
  say(format("stdin is at its end: {}", yes_or_no(std::getchar() == EOF)));
  say(format("the global is {}", global));
}

void hold(Lock lock, Queue<int> queue) {
  (void)lock.acquire();
  queue.put(1);
  Event().wait();  // for ever
}

}  // namespace

void guidelines() {
  global = 2;
  auto child = get_context("spawn").Process(&tell);
  child.start();
  const int pid = child.pid();
  wait({child.sentinel()});
  say(format("it has ended and is a zombie: {}", yes_or_no(::kill(pid, 0) == 0)));
  say(format("active children: {}", active_children().size()));
  say(format("now it is reaped: {}", yes_or_no(::kill(pid, 0) != 0)));

  Lock lock;
  Queue<int> queue;
  Process holds(&hold, lock, queue);
  holds.start();
  queue.get();
  holds.terminate();
  holds.join();
  const Acquired acquired = lock.acquire();
  say(format("the lock is free, its owner died: {}", yes_or_no(acquired == Acquired::kOwnerDied)));
  queue.put(2);
  say(format("the queue works: {}", queue.get()));
}

}  // namespace tour
