// A pool maps a function over numbers: the results come in the order of the input, whichever worker
// was quicker.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

int square(int n) { return n * n; }

}  // namespace

void pool_map() {
  Pool pool(4);
  say(show(pool.map(&square, std::views::iota(0, 10))));
  Pool by_default;  // as many workers as there are cores for this process
  say("a pool is as large as the machine: " + yes_or_no(by_default.workers() == cpu_count()));
}

}  // namespace tour
