// Five workers that wait for something each take as long as one: all are started before the first
// is joined. (Joined at once behind its start, each would run alone.)
#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void work(int number) {
  std::this_thread::sleep_for(Millis{200});
  say(format("worker {} is done", number));
}

}  // namespace

void five_workers() {
  const Stopwatch watch;
  std::vector<Process> workers;
  for (int i = 1; i <= 5; ++i) workers.emplace_back(&work, i);
  for (Process& worker : workers) worker.start();
  for (Process& worker : workers) worker.join();
  say("all are done, sooner than one after the other: " + yes_or_no(watch.seconds() < 1));
}

}  // namespace tour
