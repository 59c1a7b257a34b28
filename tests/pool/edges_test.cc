// Large and deep arguments, callbacks that use their pool, workers that are of no use, exit().
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <future>
#include <ranges>

#include "helpers.h"
#include "resident_memory.h"
#include "sleeping_thread.h"
#include "towpath/shared/value.h"

using namespace towpath;

namespace {

struct Chain {
  int64_t value = 0;
  std::vector<Chain> next;
  TOWPATH_FIELDS(value, next)
};

Chain chain_of(int64_t length) {
  Chain chain{length, {}};
  for (int64_t i = length - 1; i > 0; --i) {
    Chain longer{i, {}};
    longer.next.push_back(std::move(chain));
    chain = std::move(longer);
  }
  return chain;
}

int64_t sum_of(const Chain& chain) {
  return chain.value + (chain.next.empty() ? 0 : sum_of(chain.next.front()));
}

int64_t refuse(const Chain& chain) {
  if (chain.value == 1) throw std::runtime_error("refused");
  return 0;
}

size_t size_of(const std::string& text) { return text.size(); }

// A thread of the worker ends it once it is ready, and so waits for tasks.
void die_soon(RawValue<int> starts, RawValue<int> pid) {
  *pid = ::getpid();
  ++*starts;
  std::thread([] {
    if (soon([] { return is_asleep(::getpid()); })) ::raise(SIGABRT);
  }).detach();
}

// What runs at its exit never ends.
void hang_at_exit() {
  std::atexit([] { stay(); });
}

void count_start(RawValue<int> starts) { ++*starts; }

// Leaves a pool that works behind, as static objects are.
void exit_with_pool(RawValue<int> starts) {
  static auto* const pool =
      new Pool(PoolOptions{.workers = 1, .initializer = Initializer(count_start, starts)});
  static auto stays = pool->apply_async(stay);
  while (!stays.running()) std::this_thread::yield();
  std::exit(5);
}

}  // namespace

TEST_CASE("Pool: exit of its process ends it and starts no workers in the place of others") {
  const RawValue<int> starts(0);
  Process child(Options{.method = Method::kSpawn}, exit_with_pool, starts);
  child.start();
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == 5);
  CHECK(*starts == 1);
}

TEST_CASE("Pool: arguments larger than any ring arrive while the pool does other work") {
  Pool pool(2);
  const std::string large(size_t{200} << 20, 'x');
  auto size = pool.apply_async(size_of, large);
  for (int i = 0; i < 100; ++i) CHECK(pool.apply(square, i) == i * i);
  CHECK(size.get(kSoon) == large.size());
  // With its worker stopped, others go on, and the pool waits for nothing.
  const auto workers = pool.processes();
  for (const auto& worker : workers) ::kill(worker.pid, SIGSTOP);
  auto stopped = pool.apply_async(size_of, large);
  CHECK_FALSE(stopped.wait(Millis{300}));
  for (const auto& worker : workers) ::kill(worker.pid, SIGCONT);
  CHECK(stopped.get(kSoon) == large.size());
}

TEST_CASE("Pool: values as deep as can be read are cut, passed over and thrown about") {
  Pool pool(2);
  const std::vector<Chain> chains(50, chain_of(100));
  // Many in a parcel, which is cut for two workers.
  CHECK(pool.map_async(sum_of, chains).get(kSoon) == std::vector<int64_t>(50, 5050));
  CHECK(message_of<std::runtime_error>([&] { pool.map(refuse, chains); }) == "refused");
  const auto back = pool.map([](const Chain& chain) { return chain; }, chains);
  CHECK(sum_of(back.back()) == 5050);
}

TEST_CASE("Pool: what is too deep to be read fails its task and nothing else") {
  Pool pool(2);
  const Chain deep = chain_of(1'000);
  const auto chain_or = [](int64_t deep_one) {
    return deep_one == 0 ? chain_of(1) : chain_of(1'000);
  };
  CHECK_THROWS_AS(pool.apply(sum_of, deep), Invalid);
  std::vector<Chain> mixed;
  for (int64_t i = 0; i < 20; ++i) mixed.push_back(chain_or(i == 7));
  int sums = 0, errors = 0;
  auto results = pool.imap(sum_of, mixed);
  for (auto it = results.begin(); it != results.end(); ++it) {
    try {
      sums += *it == 1;
    } catch (const Invalid&) {
      ++errors;
    }
  }
  CHECK(sums == 19);
  CHECK(errors == 1);
  CHECK(pool.processes().size() == 2);
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("Pool: a callback that waits for its pool is refused") {
  Pool pool(1);
  std::promise<std::vector<std::string>> said;
  pool.apply_async(square, 2).add_done_callback([&](const Future<int64_t>&) {
    std::vector<std::string> all;
    all.push_back(message_of<Invalid>([&] { pool.map(square, numbers(10)); }));
    all.push_back(message_of<Invalid>([&] { *pool.imap(square, numbers(10)).begin(); }));
    const std::vector<Future<int64_t>> futures{pool.apply_async(square, 1)};
    all.push_back(message_of<Invalid>([&] { wait(futures); }));
    all.push_back(message_of<Invalid>([&] {
      for (const auto& each : as_completed(futures)) (void)each;
    }));
    all.push_back(message_of<Invalid>([&] { futures.front().get(); }));
    said.set_value(all);
  });
  auto future = said.get_future();
  REQUIRE(future.wait_for(kSoon) == std::future_status::ready);
  for (const std::string& each : future.get()) CHECK_THAT(each, Catch::Contains("for ever"));
}

TEST_CASE("Pool: memory does not grow with the inputs of imap") {
  Pool pool(2);
  const auto walk = [&pool](int64_t count) {
    int64_t results = 0;
    for (const int64_t each : pool.imap(square, std::views::iota(int64_t{0}, count)))
      results += each >= 0;
    return results;
  };
  REQUIRE(walk(100'000) == 100'000);
  const uint64_t before = resident_bytes();
  REQUIRE(walk(1'000'000) == 1'000'000);
  CHECK((resident_bytes() < before + 4'000'000 || kKeepsFreedMemory));
}

TEST_CASE("Future: waiting for the first again and again leaves nothing behind at the others") {
  Pool pool(1);
  const std::vector<Future<void>> never{pool.apply_async(stay)};
  wait(never, ReturnWhen::kFirstCompleted, Millis{0});
  const uint64_t before = resident_bytes();
  for (int i = 0; i < 20'000; ++i) wait(never, ReturnWhen::kFirstCompleted, Millis{0});
  CHECK((resident_bytes() < before + 1'000'000 || kKeepsFreedMemory));
}

TEST_CASE("Pool: workers that end with no task done are not started for ever") {
  const RawValue<int> starts(0), pid(0);
  Pool pool(PoolOptions{.workers = 1, .initializer = Initializer(die_soon, starts, pid)});
  // The pool that has reaped the third knows what to think of it before it answers anybody.
  REQUIRE(soon([&] { return *starts == 3 && !has_process(*pid); }));
  CHECK_THAT(message_of<WorkerDied>([&] { pool.apply_async(square, 1); }),
             Catch::Contains("(Aborted) soon after its start"));
  CHECK(*starts == 3);
}

TEST_CASE("Pool: a worker that hangs in its own exit is ended") {
  Pool pool(PoolOptions{.workers = 1, .initializer = hang_at_exit, .exit_grace = Millis{100}});
  CHECK(pool.apply(square, 2) == 4);
  pool.close();
  CHECK(pool.join(kSoon));
}

TEST_CASE("Pool: in a child of fork every use is Invalid and its end is nothing") {
  Pool pool(1);
  CHECK(pool.apply(square, 2) == 4);
  const auto unfinished = pool.apply_async(stay);
  const pid_t child = ::fork();
  if (child == 0) {
    int refused = 0;
    refused += message_of<Invalid>([&] { pool.apply(square, 1); }) != "(none)";
    refused += message_of<Invalid>([&] { pool.map(square, numbers(3)); }) != "(none)";
    refused += message_of<Invalid>([&] { pool.close(); }) != "(none)";
    refused += message_of<Invalid>([&] { pool.join(); }) != "(none)";
    refused += message_of<Invalid>([&] { unfinished.get(); }) != "(none)";
    refused += message_of<Invalid>([&] { wait(std::vector{unfinished}); }) != "(none)";
    pool.terminate();
    { const Pool ended = std::move(pool); }
    ::_exit(refused);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 6);
  CHECK(soon([&] { return unfinished.running(); }));
}

TEST_CASE("Pool: a child forked by hand that exits ends none of its workers") {
  Pool pool(1);
  const int worker = pool.apply([] { return ::getpid(); });
  const pid_t child = ::fork();
  if (child == 0) std::exit(0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  // Not its code: a leak checker takes what threads know that the child lacks for lost.
  CHECK(WIFEXITED(status));
  CHECK(pool.apply([] { return ::getpid(); }) == worker);
}

TEST_CASE("Pool: one that is assigned to ends as by its destructor") {
  Pool pool(1);
  const int pid = pool.processes().at(0).pid;
  pool = Pool(1);
  CHECK_FALSE(has_process(pid));
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("Pool: imap behind close gives what was submitted and then Closed") {
  Pool pool(1);
  auto results = pool.imap(square, std::views::iota(int64_t{0}, int64_t{1'000'000}));
  auto it = results.begin();
  CHECK(*it == 0);
  pool.close();
  int64_t next = 1;
  CHECK_THROWS_AS(
      [&] {
        for (++it; it != results.end(); ++it) {
          if (*it == next * next) ++next;
        }
      }(),
      Closed);
  CHECK(next >= 1);
  CHECK(pool.join(kSoon));
}

TEST_CASE("Pool: a chunk stays together in imap") {
  Pool pool(2);
  std::vector<int> pids;
  for (const int pid : pool.stream<false>(
           {.chunk = 10}, [](int) { return ::getpid(); }, std::views::iota(0, 1'000))) {
    pids.push_back(pid);
  }
  REQUIRE(pids.size() == 1'000);
  for (size_t i = 0; i < pids.size(); ++i) CHECK(pids[i] == pids[i / 10 * 10]);
  size_t count = 0;
  for (const int64_t each : pool.stream<false>({.chunk = size_t{1} << 32}, square, numbers(10)))
    count += each >= 0;
  CHECK(count == 10);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("Pool: a result that finds no memory to travel in fails its task and no worker") {
  const auto limit_addresses = [] {
    std::ifstream statm("/proc/self/statm");
    uint64_t pages = 0;
    statm >> pages;
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = pages * 4096 + (uint64_t{80} << 20);
    ::setrlimit(RLIMIT_AS, &limit);
  };
  Pool pool(PoolOptions{.workers = 1, .initializer = +limit_addresses});
  const int worker = pool.apply(own_pid);
  // Its connection would take a ring of 64 MiB for it.
  const auto large = [] { return std::string(size_t{30} << 20, 'x'); };
  CHECK_THAT(message_of<SystemError>([&] { pool.apply(large); }), Catch::Contains("ulimit -v"));
  CHECK(pool.apply(own_pid) == worker);
}
#endif
