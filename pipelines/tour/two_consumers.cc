// Two consumers of one queue: each message goes to one of them, never to both; to which is not
// said.
#include <algorithm>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void consume(Queue<std::string> messages, Queue<std::string> received) {
  received.put(messages.get());
}

}  // namespace

void two_consumers() {
  Queue<std::string> messages, received;
  Process a(&consume, messages, received);
  Process b(&consume, messages, received);
  a.start();
  b.start();
  messages.put("first");
  messages.put("second");
  std::vector<std::string> both{received.get(), received.get()};
  std::ranges::sort(both);
  say("received: " + show(both));
  say("left: " + show(messages.empty() ? 0 : 1));
}

}  // namespace tour
