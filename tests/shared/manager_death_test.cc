// What is left when processes are killed that use a Manager, or that are one.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "helpers.h"
#include "towpath/shared/manager.h"
#include "towpath/shared/value.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

// A zombie has ended; who reaps an orphan takes its time.
bool has_process(int pid) {
  const std::string stat = file_text("/proc/" + std::to_string(pid) + "/stat");
  return !stat.empty() && stat.find(") Z ") == std::string::npos;
}

}  // namespace

TEST_CASE("Manager: a killed client's objects end with it") {
  Manager manager({.transit = Millis{0}});
  const auto kept = manager.list<int>();
  const Event made;
  Children children;
  Process& child = children.start(
      Method::kForkserver,
      [](std::string address, ListProxy<int> both, Event done) {
        Manager there = Manager::connect(address);
        std::vector<ListProxy<int>> lists;
        for (int i = 0; i < 10; ++i) lists.push_back(there.list<int>());
        auto nested = there.dict<int, ListProxy<int>>();
        nested.set(1, there.list<int>());
        both.append(1);
        done.set();
        run_for_ever();
      },
      manager.address(), kept, made);
  REQUIRE(made.wait(kSoon));
  CHECK(has_objects(manager, 13));
  child.kill();
  REQUIRE(child.join(kSoon));
  CHECK(has_objects(manager, 1));
  CHECK(kept.size() == 1);
}

TEST_CASE("Manager: a client that ends well gives all back too") {
  Manager manager({.transit = Millis{0}});
  Children children;
  children.start(
      Method::kSpawn,
      [](std::string address) {
        Manager there = Manager::connect(address);
        auto lock = there.lock();
        there.publish("lock", lock);
        lock.acquire();
      },
      manager.address());
  REQUIRE(children.joined());
  CHECK(manager.find<LockProxy>("lock").acquire(kSoon) == Acquired::kOwnerDied);
  manager.unpublish("lock");
  CHECK(has_objects(manager, 0));
}

TEST_CASE("Manager: its death is Closed for those who call and those who wait") {
  const size_t before = shared_files("listener").size();
  {
    Manager manager({.name = "Doomed"});
    const int pid = manager.pid();
    auto list = manager.list<int>({1});
    auto queue = manager.queue<int>();
    std::atomic<int> closed{0};
    std::vector<std::thread> waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.emplace_back([&, mine = queue]() mutable {
        try {
          mine.get();
        } catch (const Closed&) {
          ++closed;
        }
      });
    }
    ::kill(pid, SIGKILL);
    for (std::thread& each : waiting) each.join();
    CHECK(closed == 3);
    CHECK_THROWS_WITH(list.at(0), Catch::Contains("Doomed (pid " + std::to_string(pid) + ", ipc:"));
    CHECK_THROWS_AS(list.append(2), Closed);
    CHECK_THROWS_AS(to_bytes(list), Closed);
    CHECK_THROWS_AS(manager.lock(), Closed);
    manager.shutdown();
    CHECK_FALSE(has_process(pid));
  }
  CHECK(shared_files("listener").size() == before);
}

TEST_CASE("Manager: one that is stopped is killed soon by its shutdown") {
  Manager manager;
  auto list = manager.list<int>();
  ::kill(manager.pid(), SIGSTOP);
  const auto begin = Clock::now();
  manager.shutdown();
  CHECK(Clock::now() - begin < Millis{4'000});
  CHECK_THROWS_AS(list.append(1), Closed);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("Manager: one that has no memory left says so and lives on") {
  const auto transport = GENERATE(Transport::kAuto, Transport::kZeroMq);
  Manager manager(ManagerOptions{.connect = {.transport = transport}}, [] {
    std::ifstream statm("/proc/self/statm");
    uint64_t pages = 0;
    statm >> pages;
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = pages * 4096 + (uint64_t{200} << 20);
    ::setrlimit(RLIMIT_AS, &limit);
  });
  auto list = manager.list<std::string>();
  list.append("first");
  const std::string large(size_t{4} << 20, 'x');
  std::string what;
  for (int i = 0; i < 200 && what.empty(); ++i) {
    try {
      list.append(large);
    } catch (const Closed& error) {
      FAIL(error.what());
    } catch (const Error& error) {
      what = error.what();
    }
  }
  // Over ZeroMQ its thread that reads has no memory, and nobody is told of what.
  CHECK_THAT(what, Catch::Contains(transport == Transport::kAuto ? "ulimit -v" : "want of memory"));
  // What served the call that was cut off gives its memory back soon.
  CHECK(await([&] {
    try {
      return list.at(0) == "first";
    } catch (const Closed&) {
      throw;
    } catch (const Error&) {
      return false;
    }
  }));
  list.clear();
  list.append("again");
  CHECK(list.size() == 1);
}
#endif

TEST_CASE("Manager: a user's method that kills it is Closed") {
  Manager manager;
  auto value = manager.value<int>(1);
  CHECK_THROWS_AS(value.update([](int&) { std::raise(SIGKILL); }), Closed);
  CHECK_THROWS_AS(value.get(), Closed);
}

TEST_CASE("Manager: it ends with the process that made it") {
  auto [mine, its] = Pipe();
  Children children;
  Process& maker = children.start(
      Method::kForkserver,
      [](Connection up) {
        const Manager manager;
        up.send(std::pair(manager.address(), manager.pid()));
        run_for_ever();
      },
      std::move(its));
  const auto [address, pid] = mine.recv<std::pair<std::string, int>>(kSoon);
  auto list = Manager::connect(address).list<int>({1});
  CHECK(list.size() == 1);
  maker.kill();
  REQUIRE(maker.join(kSoon));
  CHECK(await([&, p = pid] { return !has_process(p); }));
  CHECK_THROWS_AS(list.size(), Closed);
}

TEST_CASE("Manager: a manager at the same address is another one") {
  const TestFolder folder;
  const std::string address = "ipc://" + folder.path() + "/manager";
  std::optional<Manager> manager(std::in_place, ManagerOptions{.address = address});
  const auto list = manager->list<int>();
  ::kill(manager->pid(), SIGKILL);
  manager.reset();
  CHECK(std::filesystem::is_empty(folder.path()));
  const Manager other({.address = address});
  CHECK_THROWS_AS(list.size(), Closed);
}

TEST_CASE("Manager: one that is started again at the same TCP port is another one") {
  const ConnectOptions secret{.key = "a long and random secret"};
  std::string address = "tcp://127.0.0.1:0";
  std::optional<ListProxy<int>> before;
  for (const bool killed : {false, true, false, true}) {
    CAPTURE(killed);
    Manager manager({.address = address, .connect = secret});
    address = manager.address();  // of the first, from then on
    manager.publish("numbers", manager.list<int>({1}));
    if (before) CHECK_THROWS_AS(before->size(), Closed);
    // Connections of other processes that stand when it ends.
    const Event there;
    Children children;
    children.start(
        Method::kForkserver,
        [](std::string where, std::string key, Event connected) {
          Manager at = Manager::connect(where, {.key = key});
          auto numbers = at.find<ListProxy<int>>("numbers");
          numbers.append(2);
          auto queue = at.queue<int>();
          connected.set();
          try {
            queue.get();
          } catch (const Closed&) {
            return;
          }
          std::exit(3);
        },
        address, secret.key, there);
    REQUIRE(there.wait(kSoon));
    before = manager.find<ListProxy<int>>("numbers");
    CHECK(before->size() == 2);
    if (killed) {
      ::kill(manager.pid(), SIGKILL);
    } else {
      manager.shutdown();
    }
    CHECK(children.joined());
  }
}

TEST_CASE("QueueProxy: killed getters lose no item") {
  Manager manager;
  auto queue = manager.queue<int>();
  auto taken = manager.list<int>();
  constexpr int kItems = 300;
  std::map<int, int> seen;
  std::vector<int> all(kItems);
  for (int i = 0; i < kItems; ++i) all[static_cast<size_t>(i)] = i;
  for (const int i : all) queue.put(i);
  // Each getter says what it has taken, and is killed anywhere: at most the one item that it had in
  // its hands is gone with it.
  int rounds = 0;
  while (queue.qsize() > 50 && ++rounds < 200) {
    const uint64_t before = taken.size();
    Children children;
    Process& child = children.start(
        Method::kForkserver,
        [](QueueProxy<int> from, ListProxy<int> to) {
          for (;;) to.append(from.get());
        },
        queue, taken);
    REQUIRE(await([&] { return taken.size() > before + 2 || queue.empty(); }));
    child.kill();
    REQUIRE(child.join(kSoon));
  }
  // Behind the last death the manager may still put one back.
  const auto known = [&] {
    return static_cast<int>(taken.size() + queue.qsize()) >= kItems - rounds;
  };
  CHECK(await(known));
  while (!queue.empty()) taken.append(queue.get(kSoon));
  for (const int i : taken.values()) ++seen[i];
  for (const auto& [item, times] : seen) CHECK(times == 1);
}

TEST_CASE("QueueProxy: a getter killed while it waits takes nothing") {
  Manager manager;
  auto queue = manager.queue<int>();
  const Event going;
  for (int round = 0; round < 5; ++round) {
    Children children;
    Process& child = children.start(
        Method::kForkserver,
        [](QueueProxy<int> from, Event begun) {
          begun.set();
          (void)from.get();
        },
        queue, going);
    REQUIRE(going.wait(kSoon));
    child.kill();
    REQUIRE(child.join(kSoon));
    // Also when the manager hasn't seen the death: the item is given to nobody who is dead.
    queue.put(round);
    CHECK(queue.get(kSoon) == round);
  }
}

TEST_CASE("Manager: clients killed at any instant leave nothing held") {
  Manager manager({.transit = Millis{0}});
  auto lock = manager.lock();
  auto dict = manager.dict<int, ListProxy<int>>();
  auto value = manager.value<int64_t>(0);
  for (int round = 0; round < 10; ++round) {
    Children children;
    const Event begun;
    for (int i = 0; i < 2; ++i) {
      children.start(
          Method::kForkserver,
          [](std::string address, LockProxy guarding, DictProxy<int, ListProxy<int>> lists,
             ValueProxy<int64_t> count, Event going) {
            Manager there = Manager::connect(address);
            for (int n = 0;; ++n) {
              const auto guard = guarding.guard();
              lists.set(n % 3, there.list<int>({n}));
              count.update([](int64_t& it) { ++it; });
              if (n == 3) going.set();
            }
          },
          manager.address(), lock, dict, value, begun);
    }
    REQUIRE(begun.wait(kSoon));
    children[0].kill();
    children[1].kill();
    REQUIRE(children[0].join(kSoon));
    REQUIRE(children[1].join(kSoon));
    REQUIRE(lock.acquire(kSoon));
    lock.release();
    REQUIRE(has_objects(manager, 3 + dict.size()));
  }
  CHECK(value.get() > 0);
}

TEST_CASE("Manager: killed at any instant it leaves nobody waiting and nothing behind") {
  const size_t before = shared_files().size();
  std::mt19937 random(9);
  for (int round = 0; round < 15; ++round) {
    Manager manager;
    auto queue = manager.queue<std::string>(3);
    auto lock = manager.lock();
    auto dict = manager.dict<int, ListProxy<int>>();
    Value<int> steps, begun;
    const auto use = [](QueueProxy<std::string> q, LockProxy l, DictProxy<int, ListProxy<int>> d,
                        std::string address, Value<int> count, Value<int> here) {
      *here.lock() += 1;
      try {
        for (;;) {
          const auto guard = l.guard();
          q.put(std::string(5000, 'x'));
          Manager there = Manager::connect(address);
          d.set(1, there.list<int>({1}));
          (void)d.at(1).values();
          (void)q.get();
          *count.lock() += 1;
        }
      } catch (const Closed&) {
        // As it should be.
      }
    };
    Children children;
    children.start(Method::kForkserver, use, queue, lock, dict, manager.address(), steps, begun);
    children.start(Method::kForkserver, use, queue, lock, dict, manager.address(), steps, begun);
    // In the middle of whatever they do then.
    const int until = static_cast<int>(random() % 20);
    REQUIRE(await([&] { return begun.get() == 2 && steps.get() >= until; }));
    ::kill(manager.pid(), SIGKILL);
    REQUIRE(children.joined());
    CHECK_THROWS_AS(lock.acquire(), Closed);
  }
  CHECK(shared_files().size() == before);
}
