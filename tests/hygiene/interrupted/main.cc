// A program with a Pool in the midst of a map, and a queue's hub: for who presses Ctrl-C. With an
// argument it takes care of that itself, as a program may: it terminates the pool and ends with 5.
#include <csignal>
#include <cstdio>
#include <ranges>

#include "towpath/multiprocessing.h"

using namespace towpath;

namespace {

int wait_for_ever(int, Event begun, Event never) {
  begun.set();
  never.wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  const bool takes_care = argc > 1;
  sigset_t interrupt;
  ::sigemptyset(&interrupt);
  ::sigaddset(&interrupt, SIGINT);
  if (takes_care) ::pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);

  Queue<int> queue({.transport = Transport::kZeroMq});
  queue.put(1);
  queue.flush();
  const Event begun, never;
  Pool pool(2);
  std::vector<std::tuple<int, Event, Event>> tasks(100, {0, begun, never});
  if (!takes_care) {
    std::jthread teller([&] {
      begun.wait();
      std::printf("mapping\n");
      std::fflush(stdout);
    });
    pool.starmap(&wait_for_ever, tasks);
    return 0;
  }
  auto results = pool.starmap_async(&wait_for_ever, tasks);
  begun.wait();
  std::printf("mapping\n");
  std::fflush(stdout);
  int signal = 0;
  ::sigwait(&interrupt, &signal);
  pool.terminate();
  try {
    results.get();
  } catch (const Closed&) {
    return 5;
  }
  return 1;
}
