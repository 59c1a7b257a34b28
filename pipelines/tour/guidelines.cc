// Some things to know: a process that has ended is reaped by the next start, by active_children()
// and by asking whether it is alive; a child's stdin is empty; a spawned child's globals are the
// program's first ones, so what it needs is an argument; a process that is ended by force leaves a
// queue, a lock and shared memory as good as before; threads may share a proxy.
#include <csignal>
#include <cstdio>
#include <thread>

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

void nothing() {}

// A child that has ended, and was not asked for.
Process zombie() {
  Process child(&nothing);
  child.start();
  wait({child.sentinel()});
  return child;
}

bool exists(int pid) { return ::kill(pid, 0) == 0; }

void who_reaps() {
  Process first = zombie();
  say(format("it has ended and is a zombie: {}", yes_or_no(exists(first.pid()))));
  Process second = zombie();
  say(format("reaped by a start: {}", yes_or_no(!exists(first.pid()))));
  say(format("active children: {}", active_children().size()));
  say(format("reaped by that: {}", yes_or_no(!exists(second.pid()))));
  Process third = zombie();
  say(format("alive: {}", yes_or_no(third.is_alive())));
  say(format("reaped by that: {}", yes_or_no(!exists(third.pid()))));
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
  child.join();

  who_reaps();

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

  Manager manager;
  auto counts = manager.dict<std::string, int>();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([counts]() mutable {
        for (int n = 0; n < 50; ++n) counts.update("n", [](int& it) { ++it; });
      });
    }
  }
  say(format("four threads shared a proxy: {}", counts.at("n")));
}

}  // namespace tour
