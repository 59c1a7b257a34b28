// Four tasks of different length in a pool of two workers: two run at a time, the third begins when
// the first of them ends, and the results come in the order of the input.
#include <algorithm>
#include <thread>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

struct Task {
  int number = 0;
  int64_t begin = 0, end = 0;
  TOWPATH_FIELDS(number, begin, end)
};

Task work(int number, int tenths) {
  Task task{.number = number, .begin = Clock::now().time_since_epoch().count()};
  std::this_thread::sleep_for(Millis{100} * tenths);
  task.end = Clock::now().time_since_epoch().count();
  return task;
}

}  // namespace

void two_at_a_time() {
  const Stopwatch watch;
  Pool pool(2);
  std::vector<Future<Task>> futures;
  const int tenths[] = {4, 2, 3, 1};
  for (int i = 0; i < 4; ++i) futures.push_back(pool.apply_async(&work, i + 1, tenths[i]));
  std::vector<Task> tasks;
  for (const auto& future : futures) tasks.push_back(future.get());

  for (const Task& task : tasks) {
    const auto at_once = std::ranges::count_if(tasks, [&](const Task& other) {
      return other.begin <= task.begin && task.begin < other.end;
    });
    const Task* before = nullptr;  // the last to end until then
    for (const Task& other : tasks) {
      if (other.end <= task.begin && (before == nullptr || before->end < other.end))
        before = &other;
    }
    say(format("T{}: {} at work, {}", task.number, at_once,
               before == nullptr ? std::string("from the beginning")
                                 : format("since T{} has ended", before->number)));
  }
  say(format("after {:.1f} s", watch.seconds()));
}

}  // namespace tour
