// Numbers through a queue, in order; a list of several types through a pipe, equal at the other
// end.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"
#include "towpath/message/json.h"

using namespace towpath;

namespace tour {
namespace {

void count(Queue<int> queue) {
  for (int i = 0; i < 5; ++i) queue.put(i);
}

void send_list(Connection to) { to.send(Object(Object::Array{"данные", 123, true})); }

}  // namespace

void ints_and_lists() {
  Queue<int> queue;
  Process counts(&count, queue);
  counts.start();
  for (int i = 0; i < 5; ++i) say(format("{}", queue.get()));
  counts.join();

  auto [from, to] = Pipe(false);  // one way: the first end receives
  Process sends(&send_list, std::move(to));
  sends.start();
  const Object list = from.recv();
  say(to_json(list));
  say(format("{}, {}, {}", list.as_array()[0].kind(), list.as_array()[1].kind(),
             list.as_array()[2].kind()));
}

}  // namespace tour
