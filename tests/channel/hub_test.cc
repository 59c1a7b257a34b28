// What is of the hub alone: queues over ZeroMQ when it dies, and what it sends ahead.
#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <random>
#include <thread>

#include "sync/helpers.h"
#include "towpath/base/format.h"
#include "towpath/channel/hub_place.h"
#include "towpath/channel/queue.h"

using namespace towpath;

namespace {

constexpr Millis kNow{0};
constexpr QueueOptions kZeroMq{.transport = Transport::kZeroMq};

constexpr int kGot = 100;  // by then it is sent more than it gets at a time

void get_some_and_stay(Queue<int> queue, Numbers numbers) {
  for (int i = 0; i < kGot; ++i) queue.get();
  queue.flush();
  numbers[0] = 1;
  run_for_ever();
}

void put_one_and_stay(Queue<int> queue, Numbers numbers) {
  queue.put(0);
  queue.flush();
  numbers[0] = 1;
  run_for_ever();
}

void put_range(Queue<int> queue, int begin, int end) {
  for (int i = begin; i < end; ++i) queue.put(i);
}

void put_and_wait(Queue<int> queue, Queue<int> stays_empty, Numbers numbers) {
  queue.put(1);
  queue.flush();
  numbers[0] = 1;
  try {
    stays_empty.get();
  } catch (const Closed&) {
    numbers[1] = 1;
  }
}

// Puts or gets until the hub is no more.
void hammer(JoinableQueue<int> queue, bool puts, Numbers numbers) {
  try {
    for (int i = 0;; ++i) {
      if (puts) {
        queue.put(i);
      } else {
        queue.get();
        queue.task_done();
      }
      numbers[0] = 1;
    }
  } catch (const EndOfStream&) {
    std::exit(2);
  } catch (const Closed&) {
    ++numbers[1];
  }
}

// What it threw: "" for nothing.
template <class Act>
std::string text_of_closed(Act act) {
  try {
    act();
  } catch (const Closed& error) {
    return error.what();
  }
  return "";
}

// A static that others may join: its thread waits for items.
void wait_in_static_thread(Queue<int> queue, Numbers numbers) {
  static std::promise<void> begin, waits;
  static std::jthread getter([queue, numbers]() mutable {
    begin.get_future().wait();
    queue.put(0);
    queue.get();
    waits.set_value();
    try {
      queue.get();
    } catch (const Closed&) {
      numbers[0] = 1;
    }
  });
  begin.set_value();  // ZeroMQ starts behind it, and so ends before it
  waits.get_future().wait();
}

void use_queue(Queue<int> queue, Numbers numbers) {
  const std::string text = text_of_closed([&] { queue.put(1), queue.qsize(); });
  numbers[0] = text.find("ulimit -Hn") != std::string::npos ? 2 : 1;
}

// The hub can open so many descriptors more while this lives.
class HubFiles {
 public:
  explicit HubFiles(int more) {
    rlim_t limit = 0;
    for (; more > 0; ++limit) {
      if (!std::filesystem::is_symlink(format("/proc/{}/fd/{}", pid_, limit))) --more;
    }
    ::prlimit(pid_, RLIMIT_NOFILE, nullptr, &before_);
    const rlimit now{limit, before_.rlim_max};
    ::prlimit(pid_, RLIMIT_NOFILE, &now, nullptr);
  }
  ~HubFiles() { ::prlimit(pid_, RLIMIT_NOFILE, &before_, nullptr); }

 private:
  const pid_t pid_ = running_hub().pid();
  rlimit before_{};
};

void kill_hub() {
  const HubPlace hub = running_hub();
  const UniqueFd ended = hub.open_pidfd();
  ::kill(hub.pid(), SIGKILL);
  REQUIRE(wait_readable(ended.get(), kSoon));
}

}  // namespace

TEST_CASE("Hub: one that is killed is Closed and named for all who wait and come") {
  Queue<int> empty(kZeroMq), full({.maxsize = 1, .transport = Transport::kZeroMq});
  JoinableQueue<int> tasks(kZeroMq);
  full.put(1);
  tasks.put(1);
  const int watched = empty.fileno();
  const std::string hub = "hub (pid " + std::to_string(running_hub().pid()) + ")";
  std::vector<std::string> said(4);
  std::vector<std::thread> waiting;
  waiting.emplace_back([&] { said[0] = text_of_closed([&] { empty.get(); }); });
  waiting.emplace_back([&] { said[1] = text_of_closed([&] { full.put(2); }); });
  waiting.emplace_back([&] { said[2] = text_of_closed([&] { tasks.join(); }); });
  waiting.emplace_back([&] { said[3] = text_of_closed([&] { empty.poll(kForever); }); });
  const Numbers numbers;
  Children children;
  children.start(Method::kForkserver, &put_and_wait, tasks, empty, numbers);
  REQUIRE(await([&] { return numbers[0] == 1; }));
  kill_hub();
  for (std::thread& thread : waiting) thread.join();
  for (const std::string& text : said) {
    CAPTURE(text);
    CHECK(text.find(hub) != std::string::npos);
  }
  CHECK(await([&] { return numbers[1] == 1; }));
  CHECK(children.joined());
  CHECK_THROWS_AS(full.get(kNow), Closed);
  CHECK_THROWS_AS(full.put(1, kNow), Closed);
  CHECK_THROWS_AS(full.qsize(), Closed);
  CHECK_THROWS_AS(empty.poll(), Closed);
  CHECK(wait_readable(watched, kSoon));  // so that who watches learns it
  // What is made from now on has another hub.
  Queue<int> next(kZeroMq);
  next.put(1);
  CHECK(next.get(kSoon) == 1);
  Children others;
  others.start(Method::kForkserver, &put_range, next, 0, 2);
  CHECK(others.joined());
  CHECK(next.get(kSoon) == 0);
}

TEST_CASE("Hub: killed at any instant under load it leaves nobody waiting") {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 15; ++round) {
    JoinableQueue<int> queue(
        {.maxsize = round % 2 == 0 ? 10U : 0U, .transport = Transport::kZeroMq});
    const Numbers numbers;
    Children children;
    for (const bool puts : {true, false, true, false})
      children.start(Method::kForkserver, &hammer, queue, puts, numbers);
    // Some rounds at the very beginning.
    if (round % 3 != 0) REQUIRE(await([&] { return numbers[0] == 1; }));
    queue.put(0);
    wait_readable(-1, Millis{random() % 20});
    kill_hub();
    CHECK(children.joined());
    CHECK(numbers[1] == 4);
    CHECK_THROWS_AS(queue.join(), Closed);
  }
}

TEST_CASE("Hub: a queue whose hub was killed is Closed in a process that never used it") {
  Queue<int> queue(kZeroMq);
  queue.put(1);
  queue.flush();
  kill_hub();
  Children children;
  const Numbers numbers;
  children.start(
      Method::kForkserver,
      [](Queue<int> it, Numbers found) {
        found[0] = text_of_closed([&] { it.get(); }).empty() ? 1 : 2;
      },
      queue, numbers);
  CHECK(children.joined());
  CHECK(numbers[0] == 2);
}

TEST_CASE("Hub: is one process with a name") {
  Queue<int> queue(kZeroMq);
  queue.put(1);
  const HubPlace hub = running_hub();
  CHECK(running_hub().process == hub.process);
  const std::string title = file_text("/proc/" + std::to_string(hub.pid()) + "/cmdline");
  CHECK(title.starts_with("towpath: hub"));
}

TEST_CASE("Hub: what an ended process has put arrives") {
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    Queue<int> queue(kZeroMq);
    Children children;
    children.start(method, &put_range, queue, 0, 20'000);
    CHECK(children.joined());
    CHECK(queue.qsize() == 20'000);
    bool in_order = true;
    for (int i = 0; i < 20'000; ++i) in_order = queue.get(kSoon) == i && in_order;
    CHECK(in_order);
  }
}

TEST_CASE("Hub: a queue that was made before is used in children of fork") {
  if (methods().size() < 3) return;  // this process has threads
  Queue<int> queue(kZeroMq);
  Children children;
  children.start(Method::kFork, &put_range, queue, 0, 3);
  CHECK(children.joined());
  children.start(Method::kFork, &put_range, queue, 3, 6);
  CHECK(children.joined());
  for (int i = 0; i < 6; ++i) CHECK(queue.get(kSoon) == i);
  CHECK(queue.empty());
}

TEST_CASE("Hub: what a killed getter was sent ahead goes to others in order") {
  constexpr int kItems = 5'000;
  Queue<int> queue(kZeroMq);
  const Numbers numbers;
  put_range(queue, 0, kItems);
  Children children;
  Process& getter = children.start(Method::kForkserver, &get_some_and_stay, queue, numbers);
  REQUIRE(await([&] { return numbers[0] == 1; }));
  getter.kill();
  getter.join();
  // The first may go before the hub knows of the death.
  std::vector<int> rest;
  for (int i = kGot; i < kItems; ++i) rest.push_back(queue.get(kSoon));
  CHECK(queue.empty());
  int steps_back = 0;
  for (size_t i = 1; i < rest.size(); ++i) steps_back += rest[i] < rest[i - 1] ? 1 : 0;
  CHECK(steps_back <= 1);
  std::sort(rest.begin(), rest.end());
  CHECK(rest.front() == kGot);
  CHECK(std::adjacent_find(rest.begin(), rest.end()) == rest.end());
}

TEST_CASE("Hub: what a living getter was sent ahead goes to those who wait") {
  constexpr int kItems = 1'000;
  Queue<int> queue(kZeroMq);
  const Numbers numbers;
  put_range(queue, 0, kItems);
  Children children;
  children.start(Method::kForkserver, &get_some_and_stay, queue, numbers);
  REQUIRE(await([&] { return numbers[0] == 1; }));
  CHECK(queue.qsize() == kItems - kGot);
  std::vector<int> rest;
  for (int i = kGot; i < kItems; ++i) rest.push_back(queue.get(i % 2 == 0 ? kSoon : kNow));
  CHECK_THROWS_AS(queue.get_nowait(), Empty);
  std::sort(rest.begin(), rest.end());
  CHECK(rest.front() == kGot);
  CHECK(std::adjacent_find(rest.begin(), rest.end()) == rest.end());
}

TEST_CASE("Hub: what a living getter was sent ahead does not stay behind") {
  Queue<int> queue(kZeroMq);
  const Numbers numbers;
  put_range(queue, 0, 1'000);
  Children children;
  children.start(Method::kForkserver, &get_some_and_stay, queue, numbers);
  REQUIRE(await([&] { return numbers[0] == 1; }));
  // There is always something else.
  for (int i = 0; i < 100'000; ++i) {
    queue.put(1'000 + i);
    if (queue.get(kSoon) == kGot) return;
  }
  FAIL("the first that was left came never");
}

TEST_CASE("Hub: room that a living putter does not use is there for others") {
  constexpr size_t kMax = 10;
  Queue<int> queue({.maxsize = kMax, .transport = Transport::kZeroMq});
  const Numbers numbers;
  Children children;
  for (int i = 0; i < 3; ++i) {
    numbers[0] = 0;
    children.start(Method::kForkserver, &put_one_and_stay, queue, numbers);
    REQUIRE(await([&] { return numbers[0] == 1; }));
  }
  for (size_t i = 3; i < kMax; ++i) queue.put_nowait(0);
  CHECK_THROWS_AS(queue.put_nowait(0), Full);
  CHECK(queue.full());
  queue.get();
  queue.put(0, kSoon);
  CHECK(queue.full());
}

TEST_CASE("Hub: a queue ends there when nobody can use it any more") {
  const Handle handle = Queue<int>(kZeroMq).handle();
  CHECK_THROWS_AS(Queue<int>::open(handle), Closed);
  // Thousands come and go.
  for (int i = 0; i < 2'000; ++i) {
    Queue<int> queue(kZeroMq);
    queue.put(i);
    REQUIRE(queue.get(kSoon) == i);
  }
}

TEST_CASE("Hub: a thread that waits is Closed when its process exits") {
  for (const Method method : {Method::kForkserver, Method::kSpawn}) {
    CAPTURE(method_name(method));
    Queue<int> queue(kZeroMq);
    const Numbers numbers;
    Children children;
    children.start(method, &wait_in_static_thread, queue, numbers);
    CHECK(children.joined());
    CHECK(numbers[0] == 1);
  }
}

TEST_CASE("Hub: a process that it can't watch hears why and others are served") {
  Queue<int> queue(kZeroMq);
  queue.put(1);
  CHECK(queue.get(kSoon) == 1);
  const Numbers numbers;
  {
    const HubFiles one_more(1);  // for its connection
    Children children;
    children.start(Method::kForkserver, &use_queue, queue, numbers);
    CHECK(children.joined());
    CHECK(numbers[0] == 2);
    queue.put(2);
    CHECK(queue.get(kSoon) == 2);
  }
  Children children;
  children.start(Method::kForkserver, &use_queue, queue, numbers);
  CHECK(children.joined());
  CHECK(numbers[0] == 1);
}

TEST_CASE("Hub: while it is stopped calls end in time") {
  JoinableQueue<int> tasks(kZeroMq), watched(kZeroMq);
  tasks.put(1);
  tasks.flush();
  watched.put(1);
  watched.flush();
  const pid_t hub = running_hub().pid();
  ::kill(hub, SIGSTOP);
  std::atomic<int> right{0};
  const auto times_out = [&right](auto act) {
    return std::jthread([&right, act] {
      try {
        act();
      } catch (const Timeout& error) {
        if (std::string(error.what()).find("stopped") != std::string::npos) ++right;
      }
    });
  };
  {
    const std::jthread size = times_out([&] { tasks.qsize(); });
    const std::jthread fileno = times_out([&] { watched.fileno(); });
    const std::jthread done = times_out([&] { tasks.task_done(); });
    const std::jthread poll([&] { right += tasks.poll() ? 0 : 1; });
    const std::jthread join([&] { right += tasks.join(kNow) ? 0 : 1; });
  }
  CHECK(right == 5);
  ::kill(hub, SIGCONT);
  CHECK(tasks.get(kSoon) == 1);
}

TEST_CASE("Hub: a program's signals are not for the threads of a queue") {
  Queue<int> queue(kZeroMq);
  queue.put(1);
  CHECK(queue.get(kSoon) == 1);
  int open = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string status = file_text(task.path() / "status");
    const uint64_t blocked = std::stoull(status.substr(status.find("SigBlk:") + 7), nullptr, 16);
    if ((blocked & (uint64_t{1} << (SIGTERM - 1))) == 0) ++open;
  }
  CHECK(open == 1);
}
