// Threads share a counter; processes have one each, and the parent's is as it was. (The text that
// this is from prints 11 and 15: these fit other arguments than its own. Up to 5 and up to 4 make
// 15 and 10, and 25 together.)
#include <atomic>
#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

std::atomic<int> counter{0};

void count(int up_to) {
  for (int i = 1; i <= up_to; ++i) counter += i;
}

void count_and_say(const std::string& name, int up_to) {
  count(up_to);
  say(format("{}: {}", name, counter.load()));
}

}  // namespace

void counter_each() {
  std::thread a(&count, 5), b(&count, 4);
  a.join();
  b.join();
  say(format("threads: {}", counter.load()));
  counter = 0;
  Process first(&count_and_say, "a process", 5);
  Process second(&count_and_say, "another", 4);
  first.start();
  first.join();
  second.start();
  second.join();
  say(format("their parent: {}", counter.load()));
}

}  // namespace tour
