// What Executor has beside Pool, and that its ways to a worker keep the same promises.
#include <list>
#include <ranges>
#include <set>

#include "helpers.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

int wait_ms(int ms) {
  std::this_thread::sleep_for(Millis{ms});
  return ms;
}
int wait_for(const Event& event) { return event.wait(kSoon) ? 1 : 0; }
void fail_to_begin() { throw std::runtime_error("no licence"); }

}  // namespace

TEST_CASE("Executor: workers start as tasks come") {
  Executor executor(3);
  CHECK(executor.processes().empty());
  CHECK(executor.submit(square, 3).get(kSoon) == 9);
  CHECK(executor.processes().size() == 1);
  std::vector<Future<void>> stays;
  for (int i = 0; i < 5; ++i) stays.push_back(executor.submit(stay));
  CHECK(soon([&] { return stays[0].running() && stays[1].running() && stays[2].running(); }));
  CHECK(executor.processes().size() == 3);
  executor.kill_workers();
  for (const auto& each : stays) CHECK_THROWS_AS(each.get(Millis{0}), Closed);
  CHECK_THROWS_AS(executor.submit(square, 1), Closed);
}

TEST_CASE("Executor: map has a time-out and a buffer") {
  Executor executor(2);
  std::vector<int> results;
  for (const int each : executor.map(wait_ms, std::vector<int>{1, 2, 3})) results.push_back(each);
  CHECK(results == std::vector<int>{1, 2, 3});
  int pulled = 0;
  const auto input = std::views::iota(0) | std::views::transform([&](int i) {
                       ++pulled;
                       return i;
                     });
  auto few = executor.map(wait_ms, input, {.buffer = 3});
  CHECK(few.next(kSoon) == 0);
  CHECK(pulled <= 3);
  auto late = executor.map(wait_ms, std::vector<int>{60'000}, {.timeout = Millis{30}});
  CHECK_THROWS_AS(late.next(), Timeout);
  executor.terminate_workers();
}

TEST_CASE("Executor: shutdown waits for what runs and may cancel the rest") {
  Executor executor(1);
  auto first = executor.submit(wait_ms, 100);
  CHECK(soon([&] { return first.running(); }));
  std::vector<Future<int>> rest;
  for (int i = 0; i < 20; ++i) rest.push_back(executor.submit(wait_ms, 1));
  executor.shutdown(true, true);
  CHECK(first.get(Millis{0}) == 100);
  for (const auto& each : rest) CHECK_THROWS_AS(each.get(Millis{0}), Cancelled);
  CHECK(executor.processes().empty());
}

TEST_CASE("Executor: a dead worker breaks nothing but its task") {
  Executor executor(2);
  for (int i = 0; i < 5; ++i) {
    CHECK_THROWS_AS(executor.submit(kill_self, SIGKILL).get(kSoon), WorkerDied);
    CHECK(executor.submit(square, i).get(kSoon) == i * i);
  }
}

TEST_CASE("Executor: map over several inputs ends with the shortest") {
  Executor executor(2);
  const auto minus = [](int64_t a, int64_t b) { return a - b; };
  const std::list<int64_t> few{10, 20, 30};
  std::vector<int64_t> results;
  for (const int64_t each : executor.map(minus, std::views::iota(int64_t{100}), few))
    results.push_back(each);
  CHECK(results == std::vector<int64_t>{90, 81, 72});
  auto joined = executor.map(
      {.timeout = kSoon, .chunk = 2},
      [](const std::string& text, int times, bool loud) {
        std::string all;
        for (int i = 0; i < times; ++i) all += text;
        return loud ? all + "!" : all;
      },
      std::vector<std::string>{"a", "b", "c"}, std::vector{1, 2, 3},
      std::vector<bool>{true, false, true});
  CHECK(joined.next(kSoon) == "a!");
  CHECK(joined.next(kSoon) == "bb");
  CHECK(joined.next(kSoon) == "ccc!");
  CHECK_FALSE(joined.next(kSoon));
  auto none = executor.map(minus, few, std::vector<int64_t>{});
  CHECK_FALSE(none.next(kSoon));
}

TEST_CASE("Executor: after shutdown it takes nothing more") {
  Executor executor(1);
  auto before = executor.submit(square, 5);
  executor.shutdown();
  CHECK(before.get(Millis{0}) == 25);
  CHECK_THROWS_AS(executor.submit(square, 1), Closed);
  CHECK_THROWS_AS(executor.map(square, numbers(3)).next(kSoon), Closed);
  executor.shutdown();
}

TEST_CASE("Executor: of tasks submitted while it shuts down each is refused or done") {
  for (int round = 0; round < 10; ++round) {
    Executor executor(2);
    executor.submit(square, 1).get(kSoon);
    std::vector<std::vector<Future<int64_t>>> taken(2);
    std::atomic<int> begun{0};
    {
      std::vector<std::jthread> threads;
      for (auto& futures : taken) {
        threads.emplace_back([&] {
          try {
            for (;;) {
              futures.push_back(
                  executor.submit(square, static_cast<int64_t>(futures.size() % 1000)));
              if (futures.size() == 100) ++begun;
            }
          } catch (const Closed&) {
            // It is shut down.
          }
        });
      }
      CHECK(soon([&] { return begun == 2; }));
      executor.shutdown(false);
    }
    executor.shutdown();
    for (const auto& futures : taken) {
      for (size_t i = 0; i < futures.size(); ++i) {
        const auto number = static_cast<int64_t>(i % 1000);
        if (!futures[i].done() || futures[i].get(Millis{0}) != number * number)
          FAIL_CHECK("task " << i << " was taken and is not done");
      }
    }
  }
}

TEST_CASE("Executor: shutdown without waiting returns at once and what runs goes on") {
  const Event event;
  Executor executor(1);
  auto running = executor.submit(wait_for, event);
  auto queued = executor.submit(square, 6);
  executor.shutdown(false);
  CHECK_FALSE(running.done());
  CHECK_THROWS_AS(executor.submit(square, 1), Closed);
  Event(event).set();
  CHECK(running.get(kSoon) == 1);
  CHECK(queued.get(kSoon) == 36);
}

TEST_CASE("Executor: its destructor waits for all tasks") {
  std::vector<Future<int>> futures;
  {
    Executor executor(2);
    for (int i = 0; i < 20; ++i) futures.push_back(executor.submit(wait_ms, 5));
  }
  for (const auto& each : futures) CHECK(each.get(Millis{0}) == 5);
}

TEST_CASE("Executor: a failing initializer is the error of all tasks") {
  Executor executor(PoolOptions{.workers = 2, .initializer = fail_to_begin});
  std::vector<Future<int64_t>> futures;
  std::string refused;
  try {
    for (int i = 0; i < 5; ++i) futures.push_back(executor.submit(square, i));
  } catch (const std::runtime_error& error) {
    refused = error.what();
  }
  CHECK((refused.empty() || refused == "no licence"));
  REQUIRE_FALSE(futures.empty());
  for (const auto& each : futures)
    CHECK(message_of<std::runtime_error>([&] { each.get(kSoon); }) == "no licence");
  CHECK(message_of<std::runtime_error>([&] { executor.submit(square, 1); }) == "no licence");
}

TEST_CASE("Executor: workers are recycled by tasks") {
  Executor executor(PoolOptions{.workers = 1, .recycle_after = 3});
  std::multiset<int> pids;
  for (int i = 0; i < 9; ++i) pids.insert(executor.submit(own_pid).get(kSoon));
  const std::set<int> workers(pids.begin(), pids.end());
  CHECK(workers.size() == 3);
  for (const int pid : workers) CHECK(pids.count(pid) == 3);
}

TEST_CASE("Executor: workers without a task end after the idle time-out") {
  Executor executor(PoolOptions{.workers = 2, .idle_timeout = Millis{50}});
  CHECK(executor.submit(square, 3).get(kSoon) == 9);
  CHECK(soon([&] { return executor.processes().empty(); }));
  CHECK(executor.submit(square, 4).get(kSoon) == 16);
}

TEST_CASE("Executor: a task past its deadline is killed, by its own or by the executor's") {
  Executor executor(PoolOptions{.workers = 2, .deadline = Millis{700}});
  auto late = executor.submit(stay);
  auto sooner = executor.submit(TaskOptions{.deadline = Millis{100}}, stay);
  auto patient = executor.submit(TaskOptions{.deadline = kForever}, wait_ms, 800);
  CHECK_THAT(message_of<DeadlinePassed>([&] { late.get(kSoon); }), Catch::Contains("700 ms"));
  CHECK_THAT(message_of<DeadlinePassed>([&] { sooner.get(kSoon); }), Catch::Contains("100 ms"));
  CHECK(patient.get(kSoon) == 800);
  auto mapped = executor.map(wait_ms, std::vector<int>{1, 60'000, 2});
  CHECK(mapped.next(kSoon) == 1);
  CHECK_THROWS_AS(mapped.next(kSoon), DeadlinePassed);
  CHECK(mapped.next(kSoon) == 2);
}
