// What is good to know of processes beside each other: a crash stays where it is; exit() names the
// child that was not joined and waits for it; small tasks travel many to a message; the log says
// which process speaks.
#include <unistd.h>

#include <csignal>
#include <numeric>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void crash() { std::raise(SIGSEGV); }

void survive(const Event& crashed) {
  crashed.wait();
  get_logger().info("a sibling has crashed, this one works on");
}

void leave_a_child() {
  // Its object is never destroyed, as in any program that calls exit() in its midst.
  auto* const child = new Process([] { ::usleep(200'000); });
  child->start();
  std::exit(0);
}

int twice(int n) { return 2 * n; }

}  // namespace

void good_practice() {
  Event crashed;
  Process sibling(Options{.name = "sibling", .stderr_fd = STDOUT_FILENO}, &survive, crashed);
  Process crashes(&crash);
  sibling.start();
  crashes.start();
  crashes.join();
  say(format("exit code {}", *crashes.exitcode()));
  crashed.set();
  sibling.join();
  say(format("exit code {}", *sibling.exitcode()));

  Process leaves(Options{.name = "leaves", .stderr_fd = STDOUT_FILENO}, &leave_a_child);
  leaves.start();
  leaves.join();

  Pool pool(2);
  const Stopwatch watch;
  const std::vector<int> doubled = pool.map(&twice, std::views::iota(0, 100'000));
  say(format("the sum of 100000 small tasks: {}",
             std::accumulate(doubled.begin(), doubled.end(), int64_t{0})));
  say(format("in {:.1f} ms, many to a message", 1e3 * watch.seconds()));
}

}  // namespace tour
