// A result comes back through a queue: get() first, join() second, which is right in Python as
// well. There the other way round can wait for ever: see join_before_get.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void add(int a, int b, Queue<int> result) { result.put(a + b); }

}  // namespace

void queue_result() {
  Queue<int> result;
  Process child(&add, 2, 3, result);
  child.start();
  say(format("2 + 3 = {}", result.get()));
  child.join();
  say(format("exit code {}", *child.exitcode()));
}

}  // namespace tour
