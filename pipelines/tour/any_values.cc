// What travels is any MessagePack value, as an Object, or a C++ type of its own. None stays none.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"
#include "towpath/message/json.h"

using namespace towpath;

namespace tour {
namespace {

void send(Queue<> queue, Connection line) {
  const Object list = Object::Array{42, nullptr, "hello"};
  queue.put(list);
  line.send(list);
  line.send(std::tuple(42, std::optional<int>(), std::string("hello")));
}

}  // namespace

void any_values() {
  Queue<> queue;  // of Objects
  auto [mine, its] = Pipe();
  Process child(&send, queue, std::move(its));
  child.start();
  say("by queue: " + to_json(queue.get()));
  say("by pipe: " + to_json(mine.recv()));
  const auto [number, none, text] = mine.recv<std::tuple<int, std::optional<int>, std::string>>();
  say(format("as a tuple: {}, {}, {}", number, none ? "a number" : "none", text));
}

}  // namespace tour
