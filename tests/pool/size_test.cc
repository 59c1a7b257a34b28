// How many workers a pool has, and how it gets others.
#include <algorithm>
#include <set>

#include "helpers.h"
#include "towpath/sync/event.h"

using namespace towpath;

TEST_CASE("Pool: its size can be changed while it works") {
  Pool pool(1);
  int64_t next = 0;
  for (const int64_t each : pool.imap(square, numbers(60'000))) {
    REQUIRE(each == next * next);
    if (++next % 5'000 == 0) pool.resize(1 + static_cast<int>(next / 5'000 * 2) % 5);
  }
  CHECK(next == 60'000);
  pool.resize(1);
  CHECK(soon([&] { return pool.processes().size() == 1; }));
}

TEST_CASE("Pool: fewer workers than none are Invalid") {
  CHECK_THROWS_WITH(Pool(-1), Catch::Contains("a pool of -1 workers"));
  CHECK_THROWS_AS(Pool(-1), Invalid);
  CHECK_THROWS_AS(Executor(-1), Invalid);
  CHECK_THROWS_AS(Pool(PoolOptions{.workers = 1, .retries = -1}), Invalid);
  CHECK(Pool(0).workers() == cores_of_pools());
}

TEST_CASE("Pool: its size can be changed") {
  Pool pool(1);
  pool.resize(3);
  CHECK(soon([&] { return pool.processes().size() == 3; }));
  CHECK(pool.workers() == 3);
  pool.resize(2);
  CHECK(soon([&] { return pool.processes().size() == 2; }));
  CHECK(pool.map(square, numbers(4)) == std::vector<int64_t>{0, 1, 4, 9});
  CHECK_THROWS_AS(pool.resize(0), Invalid);
}

TEST_CASE("Pool: of too many workers those that are idle end and a long task goes on") {
  Event end;
  const auto last = [](const Event& here) {
    here.wait(kSoon);
    return ::getpid();
  };
  for (const size_t working : {size_t{0}, size_t{1}}) {
    CAPTURE(working);
    end.clear();
    Pool pool(2);
    // The worker that is to be idle later is kept off the long task.
    Event go;
    auto first = pool.apply_async(last, go);
    auto second = pool.apply_async(last, end);
    REQUIRE(soon([&] { return first.running() && second.running(); }));
    go.set();
    REQUIRE(first.wait(kSoon));
    Future<int> task = second;
    if (working == 0) {
      // The other way round: the long task is with the other worker.
      Event more;
      task = pool.apply_async(last, more);
      REQUIRE(soon([&] { return task.running(); }));
      end.set();
      REQUIRE(second.wait(kSoon));
      pool.resize(1);
      CHECK(soon([&] { return pool.processes().size() == 1; }));
      CHECK(task.running());
      more.set();
    } else {
      pool.resize(1);
      CHECK(soon([&] { return pool.processes().size() == 1; }));
      CHECK(task.running());
      end.set();
    }
    CHECK(task.get(kSoon) == pool.apply(own_pid));  // who worked is who stays
  }
}

TEST_CASE("Pool: made smaller than it has long tasks it lets all of them end") {
  Event end;
  Pool pool(3);
  std::vector<Future<int>> tasks;
  for (int i = 0; i < 3; ++i) {
    tasks.push_back(pool.apply_async(
        [](const Event& here) {
          here.wait(kSoon);
          return ::getpid();
        },
        end));
  }
  REQUIRE(soon([&] { return std::ranges::all_of(tasks, &Future<int>::running); }));
  pool.resize(1);
  auto behind = pool.apply_async(square, 4);  // for whoever is free first, of those who stay
  CHECK_FALSE(behind.wait(Millis{30}));
  CHECK(pool.processes().size() == 3);
  end.set();
  std::set<int> pids;
  for (Future<int>& task : tasks) pids.insert(task.get(kSoon));
  CHECK(pids.size() == 3);
  CHECK(behind.get(kSoon) == 16);
  CHECK(soon([&] { return pool.processes().size() == 1; }));
}
