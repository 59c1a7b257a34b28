// join waits for the child: what stands behind it happens after the child's end.
#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void work() {
  say("the child begins");
  std::this_thread::sleep_for(Millis{100});
  say("the child ends");
}

}  // namespace

void sleep_join() {
  Process child(&work);
  child.start();
  child.join();
  say("main goes on");
}

}  // namespace tour
