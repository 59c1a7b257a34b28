// One process waits for an event that another sets.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void wait_for_it(Event waiting, const Event& it) {
  say("the child waits");
  waiting.set();
  it.wait();
  say("the child goes on");
}

}  // namespace

void event() {
  Event waiting;
  Event it;
  Process child(&wait_for_it, waiting, it);
  child.start();
  waiting.wait();
  say("has it ended? " + yes_or_no(child.join(Millis{100})));
  say("main sets the event");
  it.set();
  child.join();
}

}  // namespace tour
