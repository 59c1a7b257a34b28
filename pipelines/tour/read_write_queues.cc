// Workers take numbers from one queue and put squares into another. Two mistakes are common here:
// to take "the queue is empty" for the end, though somebody may be about to put (each worker gets a
// pill instead); and to use a queue that is not an argument but a global, which only a forked child
// has.
#include <algorithm>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

using Item = std::optional<int>;  // none is the pill

struct Square {
  int number = 0;
  std::string by;
  TOWPATH_FIELDS(number, by)
};

void square(Queue<Item> numbers, Queue<Square> squares) {
  while (const Item n = numbers.get()) squares.put({*n * *n, current_process().name()});
}

}  // namespace

void read_write_queues() {
  Queue<Item> numbers;
  Queue<Square> squares;
  Process a(Options{.name = "worker a"}, &square, numbers, squares);
  Process b(Options{.name = "worker b"}, &square, numbers, squares);
  a.start();
  b.start();
  for (const int n : {3, 4, 5, 6}) numbers.put(n);
  numbers.put(std::nullopt);  // a pill for each
  numbers.put(std::nullopt);
  a.join();
  b.join();
  std::vector<int> all;
  while (!squares.empty()) {  // now it is true that nobody puts any more
    const Square next = squares.get();
    if (next.by != "worker a" && next.by != "worker b") say("by a stranger: " + next.by);
    all.push_back(next.number);
  }
  std::ranges::sort(all);
  say(show(all));
}

}  // namespace tour
