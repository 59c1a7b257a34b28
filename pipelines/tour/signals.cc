// Ctrl-C reaches every process of a terminal at once. Towpath's children ignore it: the parent
// decides what it means, and ends them in order. A child that wants to end in order by SIGTERM says
// so; others are ended by it at once.
#include <csignal>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

Event* enough = nullptr;

void work(Event began, Event ended) {
  enough = &ended;
  std::signal(SIGTERM, [](int) { enough->set(); });  // an Event may be set in a handler
  began.set();
  ended.wait();
  say("the child has put its things in order");
}

}  // namespace

void signals() {
  Event began;
  const Event ended;
  Process child(&work, began, ended);
  child.start();
  began.wait();
  child.interrupt();
  say("after SIGINT it has ended: " + yes_or_no(child.join(Millis{100})));
  child.terminate();
  child.join();
  say(format("after SIGTERM: exit code {}", *child.exitcode()));

  Process other([] { Event().wait(); });
  other.start();
  other.terminate();
  other.join();
  say(format("one that does not care for it: {}", *other.exitcode()));
}

}  // namespace tour
