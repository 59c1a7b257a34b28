// A process that is killed behind any one instruction of a put, get or task_done: single-stepped
// to there by ptrace(2). Whatever it left, the queue is whole.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <random>

#include "process/helpers.h"
#include "towpath/channel/queue.h"

using namespace towpath;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSteps = false;  // a hundred times the instructions
#else
constexpr bool kSteps = true;
#endif

constexpr Millis kNow{0};
using Tasks = JoinableQueue<int>;
using Left = std::vector<int>;

// Stops, does it, stops. What a process does once only is behind it by then.
template <class Act>
void between_stops(Act act) {
  Tasks other;
  other.put(0);
  other.get();
  other.task_done();
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) throw_errno("ptrace(TRACEME)");
  ::raise(SIGSTOP);
  act();
  ::raise(SIGSTOP);
}

void put_one(Queue<int> queue) {
  between_stops([&] { queue.put(2); });
}
void get_one(Queue<int> queue) {
  between_stops([&] { queue.get(); });
}
void put_task(Tasks queue) {
  between_stops([&] { queue.put(2); });
}
void get_task(Tasks queue) {
  between_stops([&] { queue.get(); });
}
void be_done_with_task(Tasks queue) {
  queue.get();
  between_stops([&] { queue.task_done(); });
}

// Lets the child run to its first stop, then `steps` instructions more; then kills it. False: it
// had come to its second stop before.
bool killed_after(Process& child, int steps) {
  const auto stopped_by = [&child] {
    int status = 0;
    while (::waitpid(child.pid(), &status, __WALL) < 0 && errno == EINTR) {
    }
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
  };
  REQUIRE(stopped_by() == SIGSTOP);
  bool within = true;
  for (int i = 0; i < steps && within; ++i) {
    within =
        ::ptrace(PTRACE_SINGLESTEP, child.pid(), nullptr, nullptr) == 0 && stopped_by() == SIGTRAP;
  }
  child.kill();
  child.join();
  return within;
}

// Numbers of what is in the queue, in order; each is done.
template <class AnyQueue>
std::vector<int> take_all(AnyQueue& queue) {
  std::vector<int> numbers;
  try {
    for (;;) {
      numbers.push_back(queue.get_nowait());
      if constexpr (std::is_same_v<AnyQueue, Tasks>) queue.task_done();
    }
  } catch (const Empty&) {
    return numbers;
  }
}

// maxsize is 3: exactly so many fit.
template <class AnyQueue>
void check_whole(AnyQueue& queue) {
  REQUIRE(queue.qsize() == 0);
  REQUIRE(queue.empty());
  for (int i = 0; i < 3; ++i) queue.put_nowait(0);
  REQUIRE_THROWS_AS(queue.put_nowait(0), Full);
  REQUIRE(take_all(queue).size() == 3);
  if constexpr (std::is_same_v<AnyQueue, Tasks>) {
    REQUIRE(queue.join(kNow));
    REQUIRE_THROWS_AS(queue.task_done(), Invalid);
  }
}

// Every how manyth instruction, from a random one on: so all of them come in turn.
constexpr int kStride = 23;

// Starts with the items 1 to `items`; `left` judges what is there behind the death.
template <class AnyQueue>
void for_each_step(void (*act)(AnyQueue), int items,
                   const std::function<bool(const Left& left, bool within)>& is_right) {
  if (!kSteps || methods().size() < 3) return;
  bool within = true;
  int killed = 0;
  for (int steps = static_cast<int>(std::random_device{}() % kStride); within;
       steps += kStride, ++killed) {
    CAPTURE(steps);
    AnyQueue queue(3);
    for (int i = 1; i <= items; ++i) queue.put(i);
    Process child(Options{.daemon = true, .method = Method::kFork}, act, queue);
    child.start();
    within = killed_after(child, steps);
    const size_t count = queue.qsize();
    const Left left = take_all(queue);
    CAPTURE(left, within);
    REQUIRE(count == left.size());
    REQUIRE(is_right(left, within));
    check_whole(queue);
  }
  CHECK(killed > 5);
}

}  // namespace

TEST_CASE("Queue: killed at any instruction of put it has put its item or not") {
  for_each_step<Queue<int>>(&put_one, 1, [](const Left& left, bool within) {
    return left == Left{1, 2} || (within && left == Left{1});
  });
}

TEST_CASE("Queue: killed at any instruction of get it has taken its item or not") {
  for_each_step<Queue<int>>(&get_one, 2, [](const Left& left, bool within) {
    return left == Left{2} || (within && left == Left{1, 2});
  });
}

TEST_CASE("JoinableQueue: killed at any instruction of put it has put its item or not") {
  for_each_step<Tasks>(&put_task, 1, [](const Left& left, bool within) {
    return left == Left{1, 2} || (within && left == Left{1});
  });
}

TEST_CASE("JoinableQueue: killed at any instruction of get what it took is there again") {
  for_each_step<Tasks>(&get_task, 2, [](const Left& left, bool) { return left == Left{1, 2}; });
}

TEST_CASE("JoinableQueue: killed at any instruction of task_done it is done or there again") {
  for_each_step<Tasks>(&be_done_with_task, 2, [](const Left& left, bool within) {
    return left == Left{2} || (within && left == Left{1, 2});
  });
}
