// Three children, each with its argument, each waiting a little at every step: together they take
// as long as the longest, not as long as all.
#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

constexpr Millis kStep{30};

void factorial(int n) {
  int64_t product = 1;
  for (int i = 1; i <= n; ++i) {
    std::this_thread::sleep_for(kStep);
    product *= i;
  }
  say(format("{}! = {}", n, product));
}

}  // namespace

void factorials() {
  const Stopwatch watch;
  std::vector<Process> children;
  for (const int n : {5, 6, 7}) {
    children.emplace_back(&factorial, n);
    children.back().start();
  }
  for (Process& child : children) child.join();
  const double one_by_one = (5 + 6 + 7) * std::chrono::duration<double>(kStep).count();
  say("all done, sooner than one after the other: " + yes_or_no(watch.seconds() < one_by_one));
}

}  // namespace tour
