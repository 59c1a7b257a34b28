// A child puts a megabyte into a queue, and the parent joins it before it gets anything. In Python
// that waits for ever: the child's feeder thread can't write so much into the pipe. Here put() is
// done when it returns, so join() is safe whatever was put.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void put_megabyte(Queue<std::string> queue) { queue.put(std::string(1 << 20, 'x')); }

}  // namespace

void join_before_get() {
  Queue<std::string> queue;
  Process child(&put_megabyte, queue);
  child.start();
  say("joined: " + yes_or_no(child.join(Millis{60'000})));
  say(format("then got {} bytes", queue.get().size()));
}

}  // namespace tour
