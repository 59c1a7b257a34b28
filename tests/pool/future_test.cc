#include <atomic>
#include <ranges>
#include <set>

#include "helpers.h"

using namespace towpath;

namespace {

int fail(int x) { throw std::invalid_argument("no " + std::to_string(x)); }
int wait_ms(int ms) {
  std::this_thread::sleep_for(Millis{ms});
  return ms;
}

}  // namespace

TEST_CASE("Future: get waits as long as it is told") {
  Pool pool(1);
  auto future = pool.apply_async(stay);
  CHECK_THROWS_AS(future.get(Millis{20}), Timeout);
  CHECK_FALSE(future.wait(Millis{0}));
  CHECK_FALSE(future.done());
  CHECK_FALSE(future.ready());
  CHECK_THROWS_AS(future.successful(), Invalid);
  CHECK_THROWS_AS(future.exception(Millis{0}), Timeout);
}

TEST_CASE("Future: a result can be had again and again") {
  Pool pool(1);
  auto future = pool.apply_async(square, 4);
  const Future<int64_t> copy = future;
  CHECK(future.get(kSoon) == 16);
  CHECK(copy.get() == 16);
  CHECK(copy == future);
  CHECK(future.done());
  CHECK(future.ready());
  CHECK(future.successful());
  CHECK(future.exception() == nullptr);
  CHECK_FALSE(future.cancel());
  auto bad = pool.apply_async(fail, 3);
  CHECK(bad.exception(kSoon) != nullptr);
  CHECK_FALSE(bad.successful());
  CHECK_THROWS_AS(bad.get(), std::invalid_argument);
}

TEST_CASE("Future: cancel takes what has not begun and only that") {
  Pool pool(1);
  auto running = pool.apply_async(stay);
  CHECK(soon([&] { return running.running(); }));
  auto second = pool.apply_async(square, 2);
  auto third = pool.apply_async(square, 3);
  CHECK_FALSE(running.cancel());
  CHECK_FALSE(second.running());
  CHECK(second.cancel());
  CHECK(second.cancel());
  CHECK(second.cancelled());
  CHECK_THROWS_AS(second.get(Millis{0}), Cancelled);
  CHECK(running.kill());
  CHECK_THROWS_AS(running.get(kSoon), Cancelled);
  CHECK(third.get(kSoon) == 9);
}

TEST_CASE("Future: cancel takes back what a worker holds and has not begun") {
  Pool pool(1);
  const auto task = [](int64_t x) {
    if (x == 1) stay();
    return x;
  };
  pool.map(task, std::vector<int64_t>(20'000));  // measured as quick: many go ahead
  std::vector<Future<int64_t>> futures;
  for (int64_t i = 0; i < 100; ++i) futures.push_back(pool.apply_async(task, i));
  CHECK(soon([&] { return futures[1].running(); }));
  CHECK(futures[0].get(kSoon) == 0);
  for (size_t i = 2; i < 100; i += 2) CHECK(futures[i].cancel());
  CHECK(futures[1].kill());
  CHECK_THROWS_AS(futures[1].get(kSoon), Cancelled);
  for (size_t i = 3; i < 100; i += 2) CHECK(futures[i].get(kSoon) == static_cast<int64_t>(i));
}

TEST_CASE("Future: cancel takes a map as long as none of its tasks has begun") {
  Pool pool(2);
  const auto task = [](int64_t x) {
    if (x < 0) stay();
    return x;
  };
  std::vector<Future<int64_t>> stays;
  for (int i = 0; i < 2; ++i) stays.push_back(pool.apply_async(task, -1));
  CHECK(soon([&] { return stays[0].running() && stays[1].running(); }));
  auto waits = pool.map_async(task, numbers(5'000));
  auto next = pool.map_async(task, numbers(3));
  CHECK_FALSE(waits.running());
  CHECK(waits.cancel());
  CHECK(waits.cancelled());
  CHECK_THROWS_AS(waits.get(Millis{0}), Cancelled);
  for (auto& each : stays) CHECK(each.kill());
  CHECK(next.get(kSoon) == numbers(3));
  auto begun = pool.map_async(task, std::vector<int64_t>{1, -1, 2, -1, 3, 4});
  CHECK(soon([&] { return begun.running(); }));
  CHECK_FALSE(begun.cancel());
  CHECK_FALSE(begun.cancelled());
  CHECK(begun.kill());
  CHECK_THROWS_AS(begun.get(kSoon), Cancelled);
  CHECK(begun.cancelled());
  CHECK(pool.map(task, numbers(100)) == numbers(100));
}

TEST_CASE("Future: kill ends a running task and leaves others alone") {
  Pool pool(2);
  auto first = pool.apply_async(stay);
  auto second = pool.apply_async(stay);
  CHECK(soon([&] { return first.running() && second.running(); }));
  auto waiting = pool.apply_async(square, 5);
  CHECK(first.kill());
  CHECK_THAT(message_of<Cancelled>([&] { first.get(kSoon); }),
             Catch::Contains("killed while it ran"));
  CHECK(waiting.get(kSoon) == 25);
  CHECK(second.running());
  CHECK(waiting.kill() == false);
  auto queued = pool.apply_async(square, 5);
  CHECK(second.kill());
}

TEST_CASE("Future: callbacks run in order and what they throw goes to the future") {
  Pool pool(1);
  std::vector<int> order;
  std::atomic<bool> last = false;
  auto gate = pool.apply_async(wait_ms, 50);
  auto future = pool.apply_async(square, 3);
  future.add_done_callback(
      [&](Future<int64_t>& it) { order.push_back(static_cast<int>(it.get())); });
  future.add_done_callback([](Future<int64_t>&) { throw std::runtime_error("callback"); });
  future.add_done_callback([&](Future<int64_t>&) {
    order.push_back(2);
    last = true;
  });
  CHECK(soon([&] { return last.load(); }));
  CHECK(order == std::vector<int>{9, 2});
  REQUIRE(future.callback_errors().size() == 1);
  CHECK_THROWS_AS(std::rethrow_exception(future.callback_errors()[0]), std::runtime_error);
  future.add_done_callback([&](Future<int64_t>&) { order.push_back(3); });
  CHECK(order.back() == 3);
  CHECK(pool.apply(square, 2) == 4);
}

TEST_CASE("Future: callbacks of a map run once all of it is done") {
  Pool pool(2);
  std::atomic<int64_t> sum = 0;
  auto map = pool.map_async(square, numbers(1'000));
  map.add_done_callback([&](Future<std::vector<int64_t>>& it) {
    for (const int64_t each : it.get()) sum += each;
  });
  CHECK(soon([&] { return sum == 332'833'500; }));
  std::atomic<bool> told = false;
  auto bad = pool.map_async(fail, std::vector<int>{1, 2});
  bad.add_done_callback(
      [&](Future<std::vector<int>>& it) { told = it.exception(Millis{0}) != nullptr; });
  CHECK(soon([&] { return told.load(); }));
}

TEST_CASE("Future: a callback may submit and is refused what would hang") {
  Pool pool(1);
  std::atomic<int> seen = 0;
  std::string refused, refused_join;
  Future<int64_t> inner;
  auto gate = pool.apply_async(wait_ms, 20);
  gate.add_done_callback([&](Future<int>&) {
    inner = pool.apply_async(square, 6);
    refused = message_of<Invalid>([&] { inner.get(); });
    refused_join = message_of<Invalid>([&] { pool.join(); });
    ++seen;
  });
  REQUIRE(soon([&] { return seen == 1; }));
  CHECK_THAT(refused, Catch::Contains("for ever"));
  CHECK_THAT(refused_join, Catch::Contains("for ever"));
  CHECK(inner.get(kSoon) == 36);
}

TEST_CASE("Future: wait returns at the first or at the first failure or at all") {
  Executor executor(3);
  auto slow = executor.submit(wait_ms, 60'000);
  auto quick = executor.submit(wait_ms, 1);
  const auto first = wait(std::vector{slow, quick}, ReturnWhen::kFirstCompleted, kSoon);
  REQUIRE(first.done.size() == 1);
  CHECK(first.done[0] == quick);
  CHECK(first.not_done == std::vector{slow});
  auto bad = executor.submit(fail, 1);
  const auto failed = wait(std::vector{slow, quick, bad}, ReturnWhen::kFirstException, kSoon);
  CHECK(failed.done.size() == 2);
  CHECK(wait(std::vector{quick, bad}).not_done.empty());
  CHECK(wait(std::vector{slow, quick}, ReturnWhen::kAllCompleted, Millis{20}).not_done.size() == 1);
  CHECK(slow.kill());
}

TEST_CASE("Future: as_completed gives each as it is done") {
  Executor executor(2);
  auto slow = executor.submit(wait_ms, 60'000);
  std::vector<Future<int>> all{slow};
  for (int i = 0; i < 5; ++i) all.push_back(executor.submit(wait_ms, i));
  std::multiset<int> seen;
  bool timed_out = false;
  try {
    for (auto& future : as_completed(all, Millis{1'000})) seen.insert(future.get());
  } catch (const Timeout&) {
    timed_out = true;
  }
  CHECK(timed_out);
  CHECK(seen == std::multiset<int>{0, 1, 2, 3, 4});
  slow.kill();
}

TEST_CASE("Future: as_completed gives once what it was given twice") {
  Executor executor(2);
  auto one = executor.submit(square, 2);
  auto other = executor.submit(square, 3);
  std::multiset<int64_t> seen;
  for (auto& future : as_completed(std::vector{one, other, one, one}, kSoon))
    seen.insert(future.get());
  CHECK(seen == std::multiset<int64_t>{4, 9});
  for (auto& future : as_completed(std::vector<Future<int64_t>>{}, kSoon)) FAIL(future.get());
}
