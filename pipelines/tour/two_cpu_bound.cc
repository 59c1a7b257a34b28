// Two processes that compute, at the same time. On two cores they take as long as one alone.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void compute(const std::string& name, Queue<std::pair<int64_t, int64_t>> spans) {
  say(name + " begins");
  const auto begin = Clock::now().time_since_epoch().count();
  volatile uint64_t sum = 0;
  for (uint64_t i = 0; i < 50'000'000; ++i) sum = sum + i * i;
  spans.put({begin, Clock::now().time_since_epoch().count()});  // one clock for all processes
  say(name + " has finished");
}

}  // namespace

void two_cpu_bound() {
  const Stopwatch watch;
  Queue<std::pair<int64_t, int64_t>> spans;
  Process a(&compute, "A", spans);
  Process b(&compute, "B", spans);
  a.start();
  b.start();
  a.join();
  b.join();
  const auto [first_begin, first_end] = spans.get();
  const auto [second_begin, second_end] = spans.get();
  say("both at the same time: " + yes_or_no(second_begin < first_end && first_begin < second_end));
  say(format("they took {:.2f} s", watch.seconds()));
}

}  // namespace tour
