// What processes don't share, and what it costs to start them and to speak with them.
//
// It is often said that a Pipe is faster than a Queue. That is so in Python, whose Queue is a pipe
// with locks and a thread around it. Towpath's Queue is a ring in shared memory, as its Pipe is;
// what differs is that a Pipe has two ends and a Queue any number of users.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

int global = 0;

void change(std::vector<int> numbers) {
  global = 1;
  numbers.push_back(4);  // a copy: arguments travel as bytes
}

void nothing() {}

void echo(Connection line) {
  while (const int number = line.recv<int>()) line.send(number);
}

void drain(Queue<int> queue) {
  while (queue.get() != 0) {
  }
}

}  // namespace

void what_it_costs() {
  const std::vector numbers{1, 2, 3};
  Process changes(&change, numbers);
  changes.start();
  changes.join();
  say(format("a child has set the global to 1; here it is {}", global));
  say("a child has added a 4; here they are " + show(numbers));

  constexpr int kTimes = 1000;
  auto [mine, its] = Pipe();
  Process echoes(&echo, std::move(its));
  try {
    its.send(1);  // NOLINT(bugprone-use-after-move): that is the question
  } catch (const Invalid&) {
    say("an end of a pipe that was given to a child is not ours any more");
  }
  echoes.start();
  const Stopwatch pipe;
  for (int i = 1; i <= kTimes; ++i) {
    mine.send(i);
    mine.recv<int>();
  }
  const double round_trip = pipe.seconds() / kTimes;
  mine.send(0);

  Queue<int> queue;
  Process drains(&drain, queue);
  drains.start();
  const Stopwatch queued;
  for (int i = 1; i <= 100 * kTimes; ++i) queue.put(i);
  queue.put(0);
  drains.join();
  const double item = queued.seconds() / (100 * kTimes);

  const Stopwatch starts;
  Process empty(&nothing);
  empty.start();
  empty.join();
  say(format("start and join: {:.2f} ms", 1e3 * starts.seconds()));
  say(format("a number through a pipe and back: {:.1f} us", 1e6 * round_trip));
  say(format("a number through a queue: {:.2f} us", 1e6 * item));
}

}  // namespace tour
