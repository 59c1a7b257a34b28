// One process puts lines of text into a queue, another takes them, until it gets the pill: an item
// that says there is nothing more.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

using Line = std::optional<std::string>;  // none is the pill

void produce(Queue<Line> queue) {
  for (const char* text : {"канал", "größer", "データ", "naïve", "🛶"}) queue.put(text);
  queue.put(std::nullopt);
}

void consume(Queue<Line> queue) {
  while (const Line line = queue.get()) say("got " + *line);
}

}  // namespace

void queue_pill() {
  Queue<Line> queue;
  Process producer(&produce, queue);
  Process consumer(&consume, queue);
  producer.start();
  consumer.start();
  producer.join();
  consumer.join();
  say(format("exit codes {} and {}", *producer.exitcode(), *consumer.exitcode()));
}

}  // namespace tour
