// A process that is killed behind any one instruction of a put, get or task_done: single-stepped
// to there by ptrace(2). Whatever it left, the queue is whole.
#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <random>

#include "stepped.h"
#include "sync/helpers.h"
#include "towpath/channel/queue.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};
using Tasks = JoinableQueue<int>;
using Left = std::vector<int>;

// What a process does once only is behind it by then.
template <class Act>
void step_through(Act act) {
  Tasks other;
  other.put(0);
  other.get();
  other.task_done();
  between_stops(act);
}

void put_one(Queue<int> queue) {
  step_through([&] { queue.put(2); });
}
void get_one(Queue<int> queue) {
  step_through([&] { queue.get(); });
}
void put_task(Tasks queue) {
  step_through([&] { queue.put(2); });
}
void get_task(Tasks queue) {
  step_through([&] { queue.get(); });
}
void be_done_with_task(Tasks queue) {
  queue.get();
  step_through([&] { queue.task_done(); });
}

void get_or_end(Queue<int> queue, Numbers got) {
  step_through([&] {
    try {
      got[0] = queue.get(kSoon);
    } catch (const EndOfStream&) {
      got[0] = -1;
    }
  });
}
void put_or_closed(Queue<int> queue, Numbers said) {
  step_through([&] {
    try {
      queue.put(1);
      said[0] = 1;
    } catch (const Closed&) {
      said[0] = -1;
    }
  });
}

void shut_down_and_empty(Queue<int> queue, Numbers got) {
  queue.shutdown();
  try {
    for (;;) got[1] = queue.get(kSoon);
  } catch (const EndOfStream&) {
  }
}
void be_done_with_any(Tasks queue, Numbers said) {
  try {
    queue.task_done();
    said[0] = 1;
  } catch (const Invalid&) {
    said[0] = -1;
  }
}
void wait_for_item(Queue<int> queue) {
  expect(!wait({queue}, kSoon / 2).empty(), "wait_for_item: late");
}

// Numbers of what is in the queue, in order; each is done.
template <class AnyQueue>
std::vector<int> take_all(AnyQueue& queue) {
  std::vector<int> numbers;
  while (queue.poll()) {
    numbers.push_back(queue.get_nowait());
    if constexpr (std::is_same_v<AnyQueue, Tasks>) queue.task_done();
  }
  REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
  return numbers;
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
  if (!can_step()) return;
  bool within = true;
  int killed = 0;
  for (int steps = static_cast<int>(std::random_device{}() % kStride); within;
       steps += kStride, ++killed) {
    CAPTURE(steps);
    AnyQueue queue(3);
    for (int i = 1; i <= items; ++i) queue.put(i);
    Stepped child(act, queue);
    within = child.steps(steps);
    child.kill();
    // What repairs the counts, or not.
    const std::optional<size_t> count =
        killed % 2 == 0 ? std::optional(queue.qsize()) : std::nullopt;
    const Left left = take_all(queue);
    CAPTURE(left, within);
    if (count) REQUIRE(*count == left.size());
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

namespace {

// Above 64 KiB an item is no record: it has memory of its own (see shared_queue.h).
constexpr size_t kLarge = 70'000;

void put_large(Queue<std::string> queue) {
  step_through([&] { queue.put(std::string(kLarge, 'b')); });
}
void get_large(Queue<std::string> queue) {
  step_through([&] { queue.get(); });
}

}  // namespace

TEST_CASE("Queue: killed at any instruction of what is done with a large item it is whole") {
  if (!can_step()) return;
  const auto act = GENERATE(&put_large, &get_large);
  const bool puts = act == &put_large;
  const auto whole = [](char c) { return std::string(kLarge, c); };
  const auto begun = [&](Queue<std::string>& queue) {
    queue.put(whole('a'));
    if (!puts) queue.put(whole('b'));
    return Stepped(act, queue);
  };
  const int all = [&] {
    Queue<std::string> queue(3);
    Stepped child = begun(queue);
    int count = 0;
    while (child.step()) ++count;
    child.kill();
    return count;
  }();
  for (const int steps : some_steps(all, 20)) {
    CAPTURE(puts, steps, all);
    Queue<std::string> queue(3);
    Stepped child = begun(queue);
    const bool within = child.steps(steps);
    child.kill();
    std::vector<std::string> left;
    while (queue.poll()) left.push_back(queue.get(kNow));
    const bool done =
        puts ? left == std::vector{whole('a'), whole('b')} : left == std::vector{whole('b')};
    const bool not_done =
        puts ? left == std::vector{whole('a')} : left == std::vector{whole('a'), whole('b')};
    REQUIRE((done || (within && not_done)));
    // It has its whole room, again and again.
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 3; ++i) queue.put(whole('c'), kNow);
      REQUIRE_THROWS_AS(queue.put(whole('d'), kNow), Full);
      for (int i = 0; i < 3; ++i) REQUIRE(queue.get(kNow) == whole('c'));
    }
    REQUIRE(queue.empty());
  }
}

TEST_CASE("Queue: killed behind the very instruction that puts or takes it is whole") {
  if (!can_step()) return;
  Queue<int> queue(3);
  {
    Stepped putter(&put_one, queue);
    putter.steps_until([&] { return queue.poll(); });
    putter.kill();
  }
  CHECK(queue.poll());
  CHECK(queue.get(kNow) == 2);
  CHECK_FALSE(queue.poll());
  queue.put(1);
  {
    Stepped getter(&get_one, queue);
    getter.steps_until([&] { return !queue.poll(); });
    getter.kill();
  }
  CHECK_FALSE(queue.poll());
  CHECK_THROWS_AS(queue.get(Millis{30}), Empty);
  check_whole(queue);
}

TEST_CASE("Queue: what is put before it is shut down is got wherever its getter was") {
  if (!can_step()) return;
  for (int steps = static_cast<int>(std::random_device{}() % kStride); steps < 1'000;
       steps += kStride) {
    CAPTURE(steps);
    Queue<int> queue;
    const Numbers got;
    Stepped getter(&get_or_end, queue, got);
    REQUIRE(getter.steps(steps));
    queue.put(1);
    queue.shutdown();
    REQUIRE(getter.go_on(true));
    REQUIRE(got[0] == 1);
  }
}

TEST_CASE("Queue: what is put while it is shut down is got or was Closed") {
  if (!can_step()) return;
  bool within = true;
  for (int steps = static_cast<int>(std::random_device{}() % kStride); within; steps += kStride) {
    CAPTURE(steps);
    Queue<int> queue;
    const Numbers numbers;
    Stepped putter(&put_or_closed, queue, numbers);
    within = putter.steps(steps);
    Meanwhile end(&shut_down_and_empty, queue, numbers);
    REQUIRE(putter.go_on(within));
    REQUIRE(end.ends());
    REQUIRE(numbers[0] == (numbers[1] == 1 ? 1 : -1));
  }
}

TEST_CASE("JoinableQueue: what is just being taken is for nobody to be done with") {
  if (!can_step()) return;
  const auto steps_of_get = [] {
    Tasks queue;
    queue.put(1);
    Stepped getter(&get_task, queue);
    const int steps = getter.steps_until([&] { return !queue.poll(); });
    getter.kill();
    return steps;
  }();
  for (int steps = steps_of_get - 15; steps < steps_of_get + 2; ++steps) {
    CAPTURE(steps, steps_of_get);
    Tasks queue(3);
    queue.put(1);
    const Numbers said;
    Stepped getter(&get_task, queue);
    REQUIRE(getter.steps(steps));
    Meanwhile other(&be_done_with_any, queue, said);
    getter.kill();
    REQUIRE(other.ends());
    REQUIRE(queue.join(kNow) == (said[0] == 1));
    REQUIRE(take_all(queue) == (said[0] == 1 ? Left{} : Left{1}));
    check_whole(queue);
  }
}

TEST_CASE("Queue: wait is told of an item whose putter was killed before it could tell") {
  if (!can_step()) return;
  Queue<int> queue;
  const int bell = queue.fileno();
  Stepped putter(&put_one, queue);
  putter.steps_until([&] { return wait_readable(bell, kNow); });
  // Who waits finds nothing yet, and silences it; perhaps not before the putter has left a lock.
  Meanwhile waiter(&wait_for_item, queue);
  while (wait_readable(bell, kNow)) {
    REQUIRE(putter.steps(5));
    REQUIRE_FALSE(waiter.is_over());
  }
  putter.steps_until([&] { return queue.poll(); });
  putter.kill();
  CHECK_FALSE(wait_readable(bell, kNow));
  CHECK(waiter.ends());
  CHECK(queue.get(kNow) == 2);
}
