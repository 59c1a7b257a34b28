// Queues between processes, and what is left of them when some are killed: all of it that was
// flushed, which in shared memory is all of it.
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "sync/helpers.h"
#include "towpath/channel/queue.h"
#include "transports.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};

void put_range(Queue<int> queue, int begin, int end) {
  for (int i = begin; i < end; ++i) queue.put(i);
}

void receive_task_and_stay(JoinableQueue<std::string> queue, Numbers numbers) {
  const auto item = queue.receive();
  numbers[0] = 1;
  run_for_ever();
}

// Makes a queue, and lets it go when it is told to.
void make_queue(Queue<Queue<int>> through, Numbers numbers) {
  Queue<int> queue;
  through.put(queue);
  expect(await([&] { return numbers[0] == 1; }), "make_queue");
}

void put_when_told(Queue<int> queue, Numbers numbers) {
  numbers[1] = 1;
  expect(await([&] { return numbers[2] == 1; }), "put_when_told");
  queue.put(5);
}

void put_text(Queue<std::string> queue, size_t size) { queue.put(std::string(size, 'x')); }

void get_for_ever(Queue<int> queue, Numbers numbers) {
  numbers[0] = 1;
  for (;;) {
    queue.get();
    ++numbers[1];
  }
}

void receive_and_stay(Queue<std::string> queue, Numbers numbers) {
  const auto item = queue.receive();
  numbers[0] = 1;
  run_for_ever();
}

void borrow_and_stay(Queue<std::string> queue, size_t size, Numbers numbers) {
  const auto loan = queue.loan(size);
  numbers[0] = 1;
  run_for_ever();
}

void put_if_room(Queue<int> queue, Numbers numbers) {
  for (int i = 0; i < 10; ++i) {
    try {
      queue.put_nowait(i);
      ++numbers[0];
    } catch (const Full&) {
    }
  }
}

void send_queue(Queue<Queue<int>> through, Transport transport) {
  Queue<int> mine({.transport = transport});
  through.put(mine);
  expect(mine.get(kSoon) == 2, "send_queue: another item");
}

void put_from_grandchild(Queue<int> queue, Method method) {
  Process child(Options{.method = method}, &put_range, queue, 0, 3);
  child.start();
  child.join();
}

constexpr int kItems = 100'000;  // of one putter, at most

// Each is put, then counted; over ZeroMQ when it was flushed.
void put_counted(Queue<std::pair<int, int>> queue, Numbers counts, int putter, int flush_each) {
  for (int i = 0; i < kItems - 1; ++i) {
    queue.put({putter, i});
    if ((i + 1) % flush_each != 0) continue;
    queue.flush();
    counts[static_cast<size_t>(putter)] = i + 1;
  }
  run_for_ever();
}

// For each putter a row of items, and how often each was got.
struct Tally {
  SharedMemory memory;
  static Tally open(const Handle& handle) { return {SharedMemory::open(handle)}; }
  const Handle& handle() const { return memory.handle(); }
  std::atomic<uint8_t>& of(int putter, int item) const {
    return reinterpret_cast<std::atomic<uint8_t>*>(memory.buf().data())[putter * kItems + item];
  }
};

void get_counted(Queue<std::pair<int, int>> queue, Tally tally, Numbers disorder) {
  std::map<int, int> last;
  for (;;) {
    const auto [putter, item] = queue.get();
    queue.flush();
    ++tally.of(putter, item);
    if (last.contains(putter) && item <= last[putter]) ++disorder[0];
    last[putter] = item;
  }
}

void do_tasks(JoinableQueue<std::pair<int, int>> tasks, Tally done, Numbers errors) {
  for (;;) {
    const auto [row, item] = tasks.get();
    if (done.of(row, item) != 0) ++errors[0];
    tasks.task_done();
    tasks.flush();
    ++done.of(row, item);
  }
}

}  // namespace

TEST_CASE("Queue: parent and child put and nothing is missing") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods(transport)) {
    CAPTURE(method_name(method));
    Queue<int> queue({.transport = transport});
    Children children;
    children.start(method, &put_range, queue, 10, 20);
    put_range(queue, 0, 10);
    std::vector<int> parents, childs;
    for (int i = 0; i < 20; ++i) {
      const int item = queue.get(kSoon);
      (item < 10 ? parents : childs).push_back(item);
    }
    CHECK(parents == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(childs == std::vector<int>{10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
    CHECK(children.joined());
    CHECK(queue.empty());
  }
}

TEST_CASE("Queue: a child that has put a megabyte ends before anybody gets") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods(transport)) {
    CAPTURE(method_name(method));
    Queue<std::string> queue({.transport = transport});
    Children children;
    children.start(method, &put_text, queue, size_t{1} << 20);
    CHECK(children.joined());
    CHECK(queue.get(kNow).size() == size_t{1} << 20);
  }
}

TEST_CASE("Queue: travels through a queue and to grandchildren") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods(transport)) {
    CAPTURE(method_name(method));
    Queue<Queue<int>> through({.transport = transport});
    Children children;
    children.start(method, &send_queue, through, transport);
    Queue<int> its = through.get(kSoon);
    its.put(2);
    Queue<int> mine({.transport = transport});
    children.start(method, &put_from_grandchild, mine, method);
    for (int i = 0; i < 3; ++i) CHECK(mine.get(kSoon) == i);
    CHECK(children.joined());
  }
}

TEST_CASE("Queue: maxsize is exact with many putters") {
  const Transport transport = GENERATE(from_range(transports()));
  Queue<int> queue({.maxsize = 6, .transport = transport});
  const Numbers numbers;
  Children children;
  for (int i = 0; i < 4; ++i) children.start(Method::kForkserver, &put_if_room, queue, numbers);
  CHECK(children.joined());
  CHECK(numbers[0] == 6);
  CHECK(queue.qsize() == 6);
}

TEST_CASE("Queue: a reader killed while it waits takes nothing with it") {
  const Transport transport = GENERATE(from_range(transports()));
  for (const Method method : methods(transport)) {
    CAPTURE(method_name(method));
    Queue<int> queue({.transport = transport});
    const Numbers numbers;
    Children children;
    Process& reader = children.start(method, &get_for_ever, queue, numbers);
    REQUIRE(await([&] { return numbers[0] == 1; }));
    queue.put(0);
    REQUIRE(await([&] { return numbers[1] == 1 && queue.empty(); }));
    reader.kill();
    reader.join();
    queue.put(1);
    CHECK(queue.qsize() == 1);
    CHECK(queue.get(kSoon) == 1);
    CHECK(queue.empty());
  }
}

TEST_CASE("Queue: the memory of what a killed process held is used again") {
  Queue<std::string> queue;
  const std::string item(size_t{500} << 20, 'x');  // two fill the queue
  for (int i = 0; i < 3; ++i) {
    const Numbers numbers;
    Children children;
    Process& reader = children.start(Method::kForkserver, &receive_and_stay, queue, numbers);
    queue.put_bytes(item, kSoon);
    REQUIRE(await([&] { return numbers[0] == 1; }));
    reader.kill();
    reader.join();
  }
}

TEST_CASE("Queue: what a killed process had on loan is used again") {
  Queue<std::string> queue;
  const size_t size = size_t{500} << 20;  // two fill the queue
  for (int i = 0; i < 3; ++i) {
    const Numbers numbers;
    Children children;
    Process& borrower = children.start(Method::kForkserver, &borrow_and_stay, queue, size, numbers);
    REQUIRE(await([&] { return numbers[0] == 1; }));
    auto mine = queue.loan(size, kSoon);
    borrower.kill();
    borrower.join();
    queue.loan(size, kSoon).put();
    CHECK(queue.receive().bytes().size() == size);
  }
}

TEST_CASE("JoinableQueue: the memory of what was done under a killed reader is used again") {
  JoinableQueue<std::string> queue;
  const std::string item(size_t{500} << 20, 'x');  // two fill the queue
  for (int i = 0; i < 3; ++i) {
    const Numbers numbers;
    Children children;
    Process& reader = children.start(Method::kForkserver, &receive_task_and_stay, queue, numbers);
    queue.put_bytes(item, kSoon);
    REQUIRE(await([&] { return numbers[0] == 1; }));
    queue.task_done();
    CHECK(queue.join(kNow));
    reader.kill();
    reader.join();
  }
}

TEST_CASE("Queue: its descriptor tells of what is put when its maker has ended") {
  Queue<Queue<int>> through;
  const Numbers numbers;
  Children children;
  Process& maker = children.start(Method::kForkserver, &make_queue, through, numbers);
  Queue<int> queue = through.get(kSoon);
  const int bell = queue.fileno();
  children.start(Method::kForkserver, &put_when_told, queue, numbers);
  REQUIRE(await([&] { return numbers[1] == 1; }));
  numbers[0] = 1;
  REQUIRE(maker.join(kSoon));
  numbers[2] = 1;
  CHECK(wait_readable(bell, kSoon));
  CHECK(queue.get(kSoon) == 5);
  CHECK(children.joined());
}

TEST_CASE("Queue: putters and getters are killed and nothing is lost or given twice") {
  const Transport transport = GENERATE(from_range(transports()));
  constexpr int kRounds = 150;
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const bool zero_mq = transport == Transport::kZeroMq;
  // Over ZeroMQ getters that flush each time are slower than putters.
  const size_t maxsize = seed % 2 == 0 ? 20 : zero_mq ? 1'000 : 0;
  Queue<std::pair<int, int>> queue({.maxsize = maxsize, .transport = transport});
  const int flush_each = zero_mq ? 50 : 1;
  const Numbers counts, disorder;
  const Tally tally{SharedMemory::create(int64_t{kRounds + 2} * kItems)};
  int putters = 0;
  int getters_killed = 0;
  std::array<std::unique_ptr<Process>, 4> all;
  const auto start = [&](size_t i) {
    const Options options{.daemon = true};
    all[i] = i < 2 ? std::make_unique<Process>(options, &put_counted, queue, counts, putters++,
                                               flush_each)
                   : std::make_unique<Process>(options, &get_counted, queue, tally, disorder);
    all[i]->start();
  };
  for (size_t i = 0; i < all.size(); ++i) start(i);
  for (int round = 0; round < kRounds; ++round) {
    // Some time that is never the same, and then another process.
    for (size_t spin = random() % (zero_mq ? 50 : 2'000); spin > 0; --spin) queue.qsize();
    const size_t victim = random() % all.size();
    all[victim]->kill();
    all[victim]->join();
    if (victim >= 2) ++getters_killed;
    start(victim);
    if (putters > kRounds) break;
  }
  for (size_t i : {0, 1}) all[i]->kill(), all[i]->join();
  // The getters get all there is.
  REQUIRE(await([&] { return queue.empty(); }));
  for (size_t i : {2, 3}) all[i]->kill(), all[i]->join();
  if (zero_mq) {
    // Last words of the putters may have come behind all that.
    for (bool more = true; more;) {
      try {
        const auto [putter, item] = queue.get(Millis{100});
        ++tally.of(putter, item);
      } catch (const Empty&) {
        more = false;
      }
    }
  } else {
    CHECK(disorder[0] == 0);  // over ZeroMQ what comes back from the dead comes late
  }
  CHECK(queue.qsize() == 0);
  CHECK_THROWS_AS(queue.get_nowait(), Empty);
  int missing = 0;
  for (int putter = 0; putter < putters; ++putter) {
    const int put = counts[static_cast<size_t>(putter)];
    int twice = 0;
    for (int i = 0; i < kItems; ++i) {
      if (i < put && tally.of(putter, i) == 0) ++missing;
      if (tally.of(putter, i) > 1) ++twice;
    }
    CHECK(twice == 0);
  }
  // Each killed getter may have taken one that it could not count.
  CHECK(missing <= getters_killed + 2);
  queue.put({0, 0});
  CHECK(queue.get(kNow).second == 0);
}

TEST_CASE("JoinableQueue: workers are killed and every task is done") {
  const Transport transport = GENERATE(from_range(transports()));
  constexpr int kRounds = 60;
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  JoinableQueue<std::pair<int, int>> tasks({.maxsize = 100, .transport = transport});
  const Numbers errors;
  const Tally done{SharedMemory::create(kItems)};
  std::array<std::unique_ptr<Process>, 3> workers;
  const auto start = [&](size_t i) {
    workers[i] = std::make_unique<Process>(Options{.daemon = true}, &do_tasks, tasks, done, errors);
    workers[i]->start();
  };
  for (size_t i = 0; i < workers.size(); ++i) start(i);
  int item = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (size_t some = random() % 200; some > 0; --some) tasks.put({0, item++}, kSoon);
    const size_t victim = random() % workers.size();
    workers[victim]->kill();
    workers[victim]->join();
    start(victim);
  }
  REQUIRE(tasks.join(kSoon));
  CHECK(tasks.empty());
  CHECK(errors[0] == 0);
  int undone = 0;
  for (int i = 0; i < item; ++i) undone += done.of(0, i) == 0 ? 1 : 0;
  // A worker that was killed between task_done() and the tally; or has not come to it yet.
  CHECK(undone <= kRounds + 3);
  for (auto& worker : workers) worker->kill();
}
