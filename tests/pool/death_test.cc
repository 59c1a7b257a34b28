// Workers that die, hang, grow, or never begin.
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <ranges>
#include <set>

#include "helpers.h"
#include "runs.h"
#include "towpath/process/child.h"
#include "towpath/sync/event.h"

using namespace towpath;

namespace {

void set_marker() { ::setenv("MARKER", "set", 1); }
void fail_to_begin() { throw std::runtime_error("no licence"); }
void set_to(const std::string& value, int times) {
  ::setenv("MARKER", std::string(static_cast<size_t>(times), value.at(0)).c_str(), 1);
}
std::string marker() {
  const char* text = std::getenv("MARKER");
  return text == nullptr ? "" : text;
}
void die_at_start() { ::_exit(7); }

// Dies the first time: leaves a mark in a file.
int die_once(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    std::filesystem::create_directory(path);
    ::raise(SIGKILL);
  }
  return 5;
}

std::string fresh_path(const char* name) {
  const std::string path = std::filesystem::temp_directory_path() /
                           (std::string("towpath-") + name + "-" + std::to_string(::getpid()));
  std::filesystem::remove_all(path);
  return path;
}

// True when the kernel has stopped it.
bool stop_process(int pid) {
  ::kill(pid, SIGSTOP);
  return soon([pid] {
    std::string line;
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line);
    return line.compare(line.rfind(')') + 2, 1, "T") == 0;
  });
}

// Another text of the same size.
std::string swapped(std::string text, int i) {
  text.front() = static_cast<char>('b' + i);
  return text;
}

int64_t slow_square(int64_t x) {
  std::this_thread::sleep_for(std::chrono::microseconds{200});
  return x * x;
}

int64_t slow_counted(int64_t x) {
  counted(x);
  return slow_square(x);
}
// Some microseconds: many travel together, and a kill meets one that runs.
int64_t counted_work(int64_t x) {
  counted(x);
  for (std::atomic<int> spin{0}; spin < 1'000; ++spin) {
  }
  return x;
}

}  // namespace

TEST_CASE("Pool: the death of a worker fails the task that it ran and no other") {
  Pool pool(2);
  std::vector<Future<int64_t>> before, after;
  for (int i = 0; i < 100; ++i) before.push_back(pool.apply_async(slow_square, i));
  auto killed = pool.apply_async(kill_self, SIGKILL);
  auto crashed = pool.apply_async(kill_self, SIGABRT);
  auto left = pool.apply_async([]() -> int { ::_exit(3); });
  for (int i = 0; i < 100; ++i) after.push_back(pool.apply_async(slow_square, i));
  for (size_t i = 0; i < 100; ++i) {
    CHECK(before[i].get(kSoon) == static_cast<int64_t>(i * i));
    CHECK(after[i].get(kSoon) == static_cast<int64_t>(i * i));
  }
  try {
    killed.get(kSoon);
    FAIL("it did not throw");
  } catch (const WorkerDied& error) {
    CHECK(error.signal() == SIGKILL);
    CHECK(error.task() == 100);
    CHECK(error.worker().starts_with("Pool-"));
    CHECK_THAT(error.what(), Catch::Contains("was killed by signal 9") &&
                                 Catch::Contains("while it ran task 100") &&
                                 Catch::Contains(error.worker()));
  }
  CHECK_THAT(message_of<WorkerDied>([&] { crashed.get(kSoon); }), Catch::Contains("signal 6"));
  CHECK_THAT(message_of<WorkerDied>([&] { left.get(kSoon); }),
             Catch::Contains("exited with code 3"));
  CHECK(soon([&] { return pool.processes().size() == 2; }));
}

TEST_CASE("Pool: a death in the midst of quick tasks loses the one that ran") {
  Pool pool(2);
  const auto task = [](int64_t x) {
    if (x == 7'777) ::raise(SIGKILL);
    return x;
  };
  pool.map(task, std::vector<int64_t>(20'000));  // so quick that thousands travel together
  auto results = pool.imap(task, numbers(20'000));
  uint64_t good = 0;
  std::vector<uint64_t> bad;
  for (auto it = results.begin(); it != results.end(); ++it) {
    try {
      const int64_t value = *it;
      REQUIRE(value == static_cast<int64_t>(results.index()));
      ++good;
    } catch (const WorkerDied& error) {
      bad.push_back(results.index());
      CHECK(error.task() == 7'777);
    }
  }
  CHECK(good == 19'999);
  CHECK(bad == std::vector<uint64_t>{7'777});
  CHECK_THROWS_AS(pool.map(task, numbers(20'000)), WorkerDied);
}

TEST_CASE("Pool: a task is tried again only as often as allowed") {
  const std::string path = fresh_path("retry");
  Pool pool(PoolOptions{.workers = 2, .retries = 1});
  CHECK(pool.apply(die_once, path) == 5);
  CHECK_THAT(message_of<WorkerDied>([&] { pool.apply(kill_self, SIGKILL); }),
             Catch::Contains("attempt 2"));
  std::filesystem::remove_all(path);
  CHECK_THROWS_AS(pool.apply_async(TaskOptions{.retries = 0}, die_once, path).get(kSoon),
                  WorkerDied);
  std::filesystem::remove_all(path);
}

TEST_CASE("Pool: killing idle workers costs nothing") {
  Pool pool(2);
  for (int round = 0; round < 10; ++round) {
    for (const auto& worker : pool.processes()) ::kill(worker.pid, SIGKILL);
    CHECK(pool.map(square, numbers(4), 1) == std::vector<int64_t>{0, 1, 4, 9});
  }
}

TEST_CASE("Pool: random kills under load leave every task with one outcome and run it once") {
  const int retries = GENERATE(0, 1'000);
  CAPTURE(retries);
  constexpr int64_t kSlow = 1'000;  // the first, one by one
  constexpr int64_t kAll = 60'000;
  const Runs runs(kAll);
  Pool pool(
      PoolOptions{.workers = 3, .retries = retries, .initializer = Initializer(see_runs, runs)});
  std::mt19937 random(4711);
  std::vector<Future<int64_t>> futures;
  for (int64_t i = 0; i < kSlow; ++i) futures.push_back(pool.apply_async(slow_counted, i));
  int kills = 0;
  int deaths = 0;
  const auto outcome = [&](int64_t task, const auto& get, int64_t result) {
    const auto index = static_cast<uint64_t>(task);
    try {
      const int64_t got = get();
      REQUIRE(got == result);
      if (retries == 0) REQUIRE(runs[index] == 1);
      REQUIRE(runs[index] >= 1);
    } catch (const WorkerDied& error) {
      ++deaths;
      REQUIRE(runs[index] <= 1);
      REQUIRE(error.signal() == SIGKILL);
      REQUIRE(error.task() == (task < kSlow ? task : task - kSlow));
    }
  };
  auto results = pool.imap(counted_work, std::views::iota(kSlow, kAll));
  for (auto it = results.begin(); it != results.end(); ++it) {
    const int64_t task = kSlow + static_cast<int64_t>(results.index());
    outcome(
        task, [&] { return *it; }, task);
    if (task % 500 != 0) continue;
    const auto workers = pool.processes();
    if (workers.empty()) continue;
    ::kill(workers[random() % workers.size()].pid, SIGKILL);
    ++kills;
  }
  for (int64_t i = 0; i < kSlow; ++i)
    outcome(
        i, [&] { return futures[static_cast<size_t>(i)].get(kSoon); }, i * i);
  pool.close();
  CHECK(pool.join(kSoon));
  CHECK(deaths <= (retries == 0 ? kills : 0));
  // Behind it all, and whoever ran late: each death may cost one more run, where that is allowed.
  const int64_t all = std::accumulate(runs.begin(), runs.end(), int64_t{0});
  if (retries == 0) {
    CHECK(deaths > 0);
    CHECK(std::ranges::all_of(*runs, [](int times) { return times <= 1; }));
    CHECK(all >= kAll - deaths);
  } else {
    CHECK(all >= kAll);
    CHECK(all <= kAll + kills);
  }
}

TEST_CASE("Pool: workers killed while large arguments and results travel cost their own task") {
  Pool pool(2);
  std::mt19937 random(4712);
  constexpr size_t kSize = 10'000'000;
  constexpr int kTasks = 40;
  const std::string argument(kSize, 'a');
  std::vector<Future<std::string>> futures;
  for (int i = 0; i < kTasks; ++i) futures.push_back(pool.apply_async(swapped, argument, i));
  pool.close();
  // In the midst of their travels, or not: a pid that is gone already is nobody's.
  int kills = 0;
  for (; kills < 20 && !pool.join(Millis{random() % 15}); ++kills) {
    const auto workers = pool.processes();
    if (!workers.empty()) ::kill(workers[random() % workers.size()].pid, SIGKILL);
  }
  int done = 0, died = 0;
  for (int i = 0; i < kTasks; ++i) {
    try {
      const std::string result = futures[static_cast<size_t>(i)].get(kSoon);
      REQUIRE(result.size() == kSize);
      REQUIRE(result.front() == static_cast<char>('b' + i));
      REQUIRE(result.back() == 'a');
      ++done;
    } catch (const WorkerDied& error) {
      CHECK(error.signal() == SIGKILL);
      CHECK(error.task() == i);
      ++died;
    }
  }
  CHECK(pool.join(kSoon));
  CHECK(done + died == kTasks);
  CHECK(died <= kills);
  CHECK(pool.processes().empty());
}

TEST_CASE("Pool: a task whose worker is killed in the midst of large results is tried again") {
  Pool pool(PoolOptions{.workers = 2, .retries = 1'000});
  std::mt19937 random(4713);
  const std::string argument(10'000'000, 'a');
  std::vector<Future<std::string>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(pool.apply_async(swapped, argument, i));
  for (int kills = 0; kills < 15; ++kills) {
    futures.back().wait(Millis{random() % 15});
    const auto workers = pool.processes();
    if (!workers.empty()) ::kill(workers[random() % workers.size()].pid, SIGKILL);
  }
  for (int i = 0; i < 20; ++i)
    REQUIRE(futures[static_cast<size_t>(i)].get(kSoon).front() == static_cast<char>('b' + i));
  pool.close();
  CHECK(pool.join(kSoon));
}

TEST_CASE("Pool: a worker takes no notice of Ctrl-C while it runs a task") {
  Event begun, end;
  Pool pool(1);
  auto future = pool.apply_async(
      [](Event there, Event here) {
        there.set();
        here.wait(kSoon);
        return ::getpid();
      },
      begun, end);
  REQUIRE(begun.wait(kSoon));
  const int pid = pool.processes().at(0).pid;
  for (int i = 0; i < 3; ++i) ::kill(pid, SIGINT);
  end.set();
  CHECK(future.get(kSoon) == pid);
  CHECK(pool.apply(own_pid) == pid);
}

TEST_CASE("Pool: closed while it recycles its workers it brings all tasks to an end") {
  for (int round = 0; round < 5; ++round) {
    Pool pool(PoolOptions{.workers = 2, .recycle_after = 3});
    std::vector<Future<int64_t>> futures;
    for (int i = 0; i < 100; ++i) futures.push_back(pool.apply_async(square, i));
    pool.close();
    REQUIRE(pool.join(kSoon));
    for (size_t i = 0; i < 100; ++i)
      REQUIRE(futures[i].get(Millis{0}) == static_cast<int64_t>(i * i));
    CHECK(pool.processes().empty());
  }
}

TEST_CASE("Pool: a task past its deadline is killed and its worker replaced") {
  Pool pool(PoolOptions{.workers = 2, .deadline = Millis{200}});
  const auto begin = std::chrono::steady_clock::now();
  auto late = pool.apply_async(stay);
  std::vector<Future<int64_t>> others;
  for (int i = 0; i < 500; ++i) others.push_back(pool.apply_async(slow_square, i));
  CHECK_THAT(message_of<DeadlinePassed>([&] { late.get(kSoon); }),
             Catch::Contains("task 0") && Catch::Contains("200 ms"));
  CHECK(std::chrono::steady_clock::now() - begin >= Millis{200});
  for (size_t i = 0; i < others.size(); ++i)
    CHECK(others[i].get(kSoon) == static_cast<int64_t>(i * i));
  auto patient = pool.apply_async(TaskOptions{.deadline = kForever}, [] {
    std::this_thread::sleep_for(Millis{400});
    return 1;
  });
  CHECK(patient.get(kSoon) == 1);
}

TEST_CASE("Pool: workers that are stopped before they begin a task are killed by its deadline") {
  Pool pool(PoolOptions{.workers = 2, .deadline = Millis{300}});
  pool.map(square, numbers(4), 1);
  const auto stopped = pool.processes();
  for (const auto& worker : stopped) REQUIRE(stop_process(worker.pid));
  // Nobody has begun it, so it costs none of its retries.
  CHECK(pool.apply_async(square, 3).get(kSoon) == 9);
  const auto is_stopped = [&](const auto& worker) {
    return worker.pid == stopped[0].pid || worker.pid == stopped[1].pid;
  };
  CHECK(std::ranges::count_if(pool.processes(), is_stopped) < 2);
}

TEST_CASE("Pool: a worker that is stopped while it runs a task is killed by its deadline") {
  Pool pool(PoolOptions{.workers = 1, .deadline = Millis{300}});
  auto stopped = pool.apply_async([] {
    ::raise(SIGSTOP);
    return 1;
  });
  CHECK_THAT(message_of<DeadlinePassed>([&] { stopped.get(kSoon); }),
             Catch::Contains("300 ms") && Catch::Contains("SIGSTOP"));
  CHECK(pool.apply(square, 2) == 4);
}

TEST_CASE("Pool: a task of a stopped worker goes to one that is idle") {
  const bool is_killed = GENERATE(true, false);
  Pool pool(PoolOptions{.workers = 2, .exit_grace = Millis{50}});
  pool.map(square, numbers(4), 1);
  const int pid = pool.processes().at(0).pid;
  REQUIRE(stop_process(pid));
  for (int64_t i = 0; i < 20; ++i) CHECK(pool.apply_async(square, i).get(kSoon) == i * i);
  if (is_killed) ::kill(pid, SIGKILL);
  CHECK(pool.map(square, numbers(3), 1) == std::vector<int64_t>{0, 1, 4});
  pool.close();
  CHECK(pool.join(kSoon));
}

TEST_CASE("Pool: the initializer runs once in each worker") {
  Pool pool(PoolOptions{.workers = 2, .initializer = set_marker});
  CHECK(pool.apply(marker) == "set");
  ::kill(pool.processes().at(0).pid, SIGKILL);
  CHECK(pool.map([](int) { return marker(); }, std::vector<int>(4), 1) ==
        std::vector<std::string>(4, "set"));
  Pool other(PoolOptions{.workers = 1, .initializer = Initializer(set_to, "x", 3)});
  CHECK(other.apply(marker) == "xxx");
}

TEST_CASE("Pool: a failing initializer breaks it with its error") {
  Pool pool(PoolOptions{.workers = 2, .initializer = fail_to_begin});
  // Submitting throws as soon as it is known.
  CHECK(message_of<std::runtime_error>([&] { pool.apply(square, 1); }) == "no licence");
  CHECK(message_of<std::runtime_error>([&] { pool.map(square, numbers(100)); }) == "no licence");
  CHECK(soon([&] { return pool.processes().empty(); }));
  pool.close();
  CHECK(pool.join(kSoon));
}

TEST_CASE("Pool: workers that die while they start are not started for ever") {
  Pool pool(PoolOptions{.workers = 2, .initializer = die_at_start});
  CHECK_THAT(message_of<WorkerDied>([&] { pool.apply(square, 1); }),
             Catch::Contains("exited with code 7 while it started; the last of 3"));
}

TEST_CASE("Pool: workers are recycled by tasks") {
  Pool pool(PoolOptions{.workers = 2, .recycle_after = 10});
  const auto first = pool.processes();
  const auto pids = pool.map([](int) { return ::getpid(); }, std::vector<int>(100), 1);
  std::map<int, int> tasks;
  for (const int pid : pids) ++tasks[pid];
  CHECK(tasks.size() >= 10);
  for (const auto& [pid, count] : tasks) CHECK(count <= 10);
  CHECK(pool.map(square, numbers(200)).size() == 200);
}

TEST_CASE("Pool: workers are recycled by the growth of their memory") {
  Pool pool(PoolOptions{.workers = 1, .recycle_growth = uint64_t{32} << 20});
  const int first = pool.apply(own_pid);
  const auto grow = [](size_t bytes) {
    static std::vector<std::string> kept;
    kept.emplace_back(bytes, 'x');
    return ::getpid();
  };
  CHECK(pool.apply(grow, size_t{1} << 20) == first);
  CHECK(pool.apply(grow, size_t{64} << 20) == first);
  // It is looked at every now and then.
  CHECK(soon([&] { return pool.apply(own_pid) != first; }));
}

TEST_CASE("Pool: terminate with 10000 sleeping tasks returns") {
  Pool pool(2);
  std::vector<Future<void>> futures;
  for (int i = 0; i < 10'000; ++i) futures.push_back(pool.apply_async(stay));
  CHECK(soon([&] { return futures[0].running() && futures[1].running(); }));
  const auto pids = pool.processes();
  const auto begin = std::chrono::steady_clock::now();
  pool.terminate();
  REQUIRE(pool.join(kSoon));
  CHECK(std::chrono::steady_clock::now() - begin < Millis{3'000});
  for (const auto& each : pids) CHECK_FALSE(has_process(each.pid));
  for (const auto& future : futures) REQUIRE_THROWS_AS(future.get(Millis{0}), Closed);
}

TEST_CASE("Pool: terminate ends workers that ignore SIGTERM and SIGSTOP") {
  Pool pool(2);
  auto deaf = pool.apply_async([] {
    ::signal(SIGTERM, SIG_IGN);
    stay();
  });
  auto stopped = pool.apply_async(stay);
  CHECK(soon([&] { return deaf.running() && stopped.running(); }));
  const auto pids = pool.processes();
  ::kill(pids[1].pid, SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  pool.terminate();
  CHECK(std::chrono::steady_clock::now() - begin < Millis{6'000});
  for (const auto& each : pids) CHECK_FALSE(has_process(each.pid));
}

TEST_CASE("Pool: its destructor ends what runs") {
  std::vector<pools::Engine::WorkerInfo> workers;
  Future<void> future;
  {
    Pool pool(2);
    future = pool.apply_async(stay);
    CHECK(soon([&] { return future.running(); }));
    workers = pool.processes();
  }
  for (const auto& each : workers) CHECK_FALSE(has_process(each.pid));
  CHECK_THROWS_AS(future.get(Millis{0}), Closed);
  CHECK_FALSE(future.cancel());
  CHECK_FALSE(future.kill());
  CHECK_FALSE(future.running());
}

#if !defined( \
    __SANITIZE_ADDRESS__)  // UBSan, beside it, takes a lack of descriptors for a lost object
TEST_CASE("Pool: when not all workers can be started the others are stopped") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return static_cast<rlim_t>(std::distance(begin(files), end(files)));
  };
  Pool(1).apply(square, 1);  // the forkserver is there
  const rlim_t files = open_files();
  rlimit few = before;
  few.rlim_cur = files + 40;  // for three workers, not for five
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::string what;
  try {
    Pool pool(5);
  } catch (const Error& error) {
    what = error.what();
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK_FALSE(what.empty());
  CHECK(active_children().empty());
  CHECK(open_files() == files);
  CHECK(Pool(2).apply(square, 2) == 4);
}
#endif

TEST_CASE("Pool: workers without a task end after the idle time-out") {
  Pool pool(PoolOptions{.workers = 2, .idle_timeout = Millis{100}});
  CHECK(pool.map(square, numbers(4)) == std::vector<int64_t>{0, 1, 4, 9});
  CHECK(soon([&] { return pool.processes().empty(); }));
  CHECK(pool.map(square, numbers(4)) == std::vector<int64_t>{0, 1, 4, 9});
}

TEST_CASE("Pool: every start method gives workers that are replaced") {
  std::vector<Method> methods{Method::kForkserver, Method::kSpawn};
  // Only while this process has no other thread.
  const std::filesystem::directory_iterator threads("/proc/self/task");
  if (std::distance(begin(threads), end(threads)) == 1) methods.push_back(Method::kFork);
  for (const Method method : methods) {
    CAPTURE(method_name(method));
    Pool pool(PoolOptions{.workers = 2, .method = method});
    CHECK_THROWS_AS(pool.apply(kill_self, SIGKILL), WorkerDied);
    CHECK(pool.map(square, numbers(4)) == std::vector<int64_t>{0, 1, 4, 9});
  }
}
