// Tasks of a queue that are got and then done, or given again.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "sync/helpers.h"
#include "towpath/channel/queue.h"
#include "transports.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};
constexpr Millis kShort{20};
using Tasks = JoinableQueue<int>;

// Opens it anew each time.
void get_and_drop(std::string handle, int times) {
  for (int i = 0; i < times; ++i) {
    auto queue = Tasks::open(Handle::parse(handle));
    queue.get(kSoon);
    queue.task_done();
  }
}

void get_many_and_stay(Tasks queue, int count, Numbers numbers) {
  for (int i = 0; i < count; ++i) queue.get();
  numbers[0] = 1;
  run_for_ever();
}

void get_one_and_stay(JoinableQueue<int> queue, Numbers numbers) {
  numbers[0] = queue.get() + 1;
  run_for_ever();
}

void work(JoinableQueue<int> tasks, Queue<int> results) {
  for (;;) {
    const int task = tasks.get();
    results.put(task * task);
    tasks.task_done();
  }
}

void get_one_and_end(JoinableQueue<int> queue) { queue.get(); }

}  // namespace

TEST_CASE("JoinableQueue: a loan is a task like others") {
  JoinableQueue<std::string> queue;
  auto loan = queue.loan(3);
  std::memcpy(loan.bytes().data(), "\xa2ok", 3);  // MessagePack
  loan.put();
  CHECK((queue.get() == "ok"));
  CHECK_FALSE(queue.join(kNow));
  queue.task_done();
  CHECK(queue.join(kNow));
}

TEST_CASE("JoinableQueue: join waits for the last task_done") {
  const Transport transport = GENERATE(from_range(transports()));
  JoinableQueue<int> queue({.transport = transport});
  CHECK(queue.join(kNow));
  queue.put(1);
  queue.put(2);
  CHECK_FALSE(queue.join(kNow));
  CHECK(queue.get() == 1);
  CHECK(queue.get() == 2);
  CHECK(queue.empty());
  queue.task_done();
  CHECK_FALSE(queue.join(kShort));
  std::thread other([&queue] { queue.task_done(); });
  CHECK(queue.join(kSoon));
  other.join();
  CHECK_THROWS_AS(queue.task_done(), Invalid);
  CHECK_THROWS_AS(JoinableQueue<int>::open(Queue<int>({.transport = transport}).handle()), Invalid);
}

TEST_CASE("JoinableQueue: an item that is done lies where it is until it was read") {
  JoinableQueue<std::string> queue;
  const std::string old_item(1'000, 'o'), new_item(1'000, 'n');
  for (int round = 0; round < 3; ++round) {
    queue.put_bytes(old_item);
    {
      const auto item = queue.receive();
      queue.task_done();
      CHECK(queue.join(kNow));
      for (int i = 0; i < 2; ++i) queue.put_bytes(new_item);
      CHECK((item.bytes() == old_item));
    }
    for (int i = 0; i < 2; ++i) {
      CHECK((queue.receive().bytes() == new_item));
      queue.task_done();
    }
    CHECK_THROWS_AS(queue.task_done(), Invalid);
  }
}

TEST_CASE("JoinableQueue: items of all sizes are kept until they are done") {
  const Transport transport = GENERATE(from_range(transports()));
  JoinableQueue<std::string> queue({.transport = transport});
  for (const size_t size : {0, 10, 1'000, 65'000, 70'000, 2'000'000})
    queue.put(std::string(size, 'x'));
  for (const size_t size : {0, 10, 1'000, 65'000, 70'000, 2'000'000}) {
    CHECK(queue.get().size() == size);
    queue.task_done();
  }
  CHECK(queue.join(kNow));
}
TEST_CASE("JoinableQueue: a process opens it and gets from it as often as it likes") {
  Tasks queue;
  constexpr int kTimes = 600;
  for (int i = 0; i < kTimes; ++i) queue.put(i);
  Children children;
  children.start(Method::kForkserver, &get_and_drop, queue.handle().text(), kTimes);
  CHECK(children.joined());
  CHECK(queue.join(kNow));
}

TEST_CASE("JoinableQueue: many tasks of a dead worker are given again in order and soon") {
  constexpr int kTasks = 100'000;
  Tasks queue;
  for (int i = 0; i < kTasks; ++i) queue.put(i);
  const Numbers numbers;
  Children children;
  Process& worker = children.start(Method::kForkserver, &get_many_and_stay, queue, kTasks, numbers);
  REQUIRE(await([&] { return numbers[0] == 1; }));
  worker.kill();
  worker.join();
  const Deadline soon(kSoon);
  bool in_order = true;
  for (int i = 0; i < kTasks && !soon.passed(); ++i) {
    in_order = in_order && queue.get(kNow) == i;
    queue.task_done();
  }
  CHECK(in_order);
  CHECK_FALSE(soon.passed());
  CHECK(queue.join(kNow));
}

TEST_CASE("JoinableQueue: a process that got none is soon done with many of another") {
  constexpr int kTasks = 100'000;
  Tasks queue;
  for (int i = 0; i < kTasks; ++i) queue.put(i);
  const Numbers numbers;
  Children children;
  children.start(Method::kForkserver, &get_many_and_stay, queue, kTasks, numbers);
  REQUIRE(await([&] { return numbers[0] == 1; }));
  const Deadline soon(kSoon);
  for (int i = 0; i < kTasks && !soon.passed(); ++i) queue.task_done();
  CHECK_FALSE(soon.passed());
  CHECK(queue.join(kNow));
  CHECK_THROWS_AS(queue.task_done(), Invalid);
}

TEST_CASE("JoinableQueue: ten tasks and four workers") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods(transport)) {
    CAPTURE(method_name(method));
    JoinableQueue<int> tasks({.transport = transport});
    Queue<int> results({.transport = transport});
    Children children;
    for (int i = 0; i < 4; ++i) children.start(method, &work, tasks, results);
    for (int i = 0; i < 10; ++i) tasks.put(i);
    REQUIRE(tasks.join(kSoon));
    std::vector<int> all;
    while (!results.empty()) all.push_back(results.get());
    std::sort(all.begin(), all.end());
    CHECK(all == std::vector<int>{0, 1, 4, 9, 16, 25, 36, 49, 64, 81});
  }
}

TEST_CASE("JoinableQueue: what a killed worker held is delivered to another once and first") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods(transport)) {
    CAPTURE(method_name(method));
    JoinableQueue<int> queue({.transport = transport});
    const Numbers numbers;
    Children children;
    for (int i = 0; i < 3; ++i) queue.put(i);
    Process& worker = children.start(method, &get_one_and_stay, queue, numbers);
    REQUIRE(await([&] { return numbers[0] == 1; }));
    CHECK(await([&] { return queue.qsize() == 2; }));
    worker.kill();
    worker.join();
    CHECK(await([&] { return queue.qsize() == 3; }));
    for (int i = 0; i < 3; ++i) {
      CHECK(queue.get(kSoon) == i);
      queue.task_done();
    }
    CHECK(queue.join(kNow));
    CHECK(queue.empty());
  }
}

TEST_CASE("JoinableQueue: a getter that waits is given what a dead worker held") {
  const Transport transport = GENERATE(from_range(transports()));
  JoinableQueue<int> queue({.transport = transport});
  const Numbers numbers;
  Children children;
  queue.put(7);
  Process& worker = children.start(Method::kForkserver, &get_one_and_stay, queue, numbers);
  REQUIRE(await([&] { return numbers[0] == 8; }));
  CHECK_THROWS_AS(queue.get(Millis{30}), Empty);
  CHECK_FALSE(queue.join(Millis{30}));
  worker.kill();
  CHECK(queue.get(kSoon) == 7);
  queue.task_done();
  // One that ends well, but has not said that it is done, either.
  queue.put(8);
  children.start(Method::kForkserver, &get_one_and_end, queue).join(kSoon);
  CHECK(queue.get(kSoon) == 8);
  queue.task_done();
  CHECK(queue.join(kSoon));
}

TEST_CASE("JoinableQueue: a child of fork does not hold what its parent does") {
  if (methods().size() < 3) return;  // this process has threads
  JoinableQueue<int> queue;
  queue.put(1);
  CHECK(queue.get() == 1);
  queue.put(2);
  Children children;
  children.start(Method::kFork, &get_one_and_end, queue);
  CHECK(children.joined());
  CHECK(queue.get(kSoon) == 2);
  queue.task_done();
  queue.task_done();
  CHECK(queue.join(kNow));
}
