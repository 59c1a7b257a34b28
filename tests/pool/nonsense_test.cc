// Tasks that write over what their worker shares with its pool.
#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <random>
#include <ranges>
#include <span>
#include <sstream>

#include "helpers.h"
#include "runs.h"
#include "towpath/memory/ring.h"
#include "towpath/pool/slate.h"

using namespace towpath;

namespace {

constexpr uint32_t kRandom = 4'711;

// The shared memory of that name in this process.
std::vector<std::span<char>> mappings(const std::string& name) {
  std::vector<std::span<char>> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/memfd:" + name + " ") == line.npos) continue;
    std::istringstream in(line);
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    in >> std::hex >> begin >> dash >> end;
    found.emplace_back(reinterpret_cast<char*>(begin), end - begin);
  }
  return found;
}

// Writes a number all over it, or random ones.
int64_t write_over(const std::string& name, uint32_t number, bool stays) {
  const auto all = mappings(name);
  if (all.empty()) throw std::runtime_error("no memory " + name);
  std::mt19937 random(4714);
  for (const std::span<char> bytes : all) {
    for (size_t at = 0; at + sizeof number <= bytes.size(); at += sizeof number) {
      const auto each = number == kRandom ? static_cast<uint32_t>(random()) : number;
      std::memcpy(&bytes[at], &each, sizeof each);
    }
  }
  if (stays) stay();
  return 42;
}

// Writes over what this process has not read of the ring, all but the message that it is at,
// records without meaning: beginnings of messages whose rest does not come. False: there is
// nothing.
bool lose_unread(std::span<char> ring) {
  auto& control = *reinterpret_cast<RingControl*>(ring.data());
  const std::span<char> data = ring.subspan(sizeof control);
  const uint64_t mask = std::bit_floor(data.size()) - 1;
  const uint64_t head = control.head;
  uint64_t at = control.tail;
  if (at == head) return false;
  uint32_t size = 0;
  std::memcpy(&size, &data[at & mask], sizeof size);
  at += kRingRecordHead + (size + 7) / 8 * 8;
  if (at >= head) return false;
  constexpr uint32_t kBeginning[] = {0, 1};  // size, tag
  for (; at != head; at += sizeof kBeginning) {
    std::memcpy(&data[at & mask], kBeginning, sizeof kBeginning);
  }
  return true;
}

// Waits for tasks to come to its worker, and loses them.
int64_t careless(int64_t task) {
  counted(task);
  const std::vector<std::span<char>> rings = mappings("towpath-connection");
  if (!soon([&] { return std::ranges::count_if(rings, lose_unread) > 0; }))
    throw std::runtime_error("nothing came that could be lost");
  return task;
}

// Makes the message of its own result one of that kind, of which it is a whole one.
RemoteTrace pretend(uint32_t kind) {
  const std::span<char> slate = mappings("towpath-pool-slate").at(0);
  constexpr uint32_t kResults = pools::ResultsHead::kResults;
  for (size_t line = 0; line + 64 <= slate.size(); line += 64) {
    if (std::memcmp(&slate[line], &kResults, sizeof kResults) != 0) continue;
    std::memcpy(&slate[line], &kind, sizeof kind);
    return {.type = "std::runtime_error", .message = "no start"};
  }
  throw std::runtime_error("no head of results");
}

}  // namespace

TEST_CASE("Pool: a worker whose task writes over what they share is named and replaced") {
  const std::string memory = GENERATE("towpath-pool-slate", "towpath-connection");
  const uint32_t number = GENERATE(0u, 1u, ~0u, kRandom);
  // Who stays with a broken slate looks like one with a long task.
  const bool slate = memory == "towpath-pool-slate";
  const bool stays = slate ? false : GENERATE(true, false);
  CAPTURE(memory, number, stays);
  const Runs runs(100);
  Pool pool(PoolOptions{.workers = 2, .initializer = Initializer(see_runs, runs)});
  CHECK(pool.map(counted, std::views::iota(0, 20)).size() == 20);  // quick: they go ahead
  std::vector<Future<int64_t>> others;
  for (int64_t i = 20; i < 50; ++i) others.push_back(pool.apply_async(counted, i));
  auto bad = pool.apply_async(write_over, memory, number, stays);
  for (int64_t i = 50; i < 100; ++i) others.push_back(pool.apply_async(counted, i));

  const auto check_death = [&](const WorkerDied& error, int64_t task) {
    CHECK(error.task() == task);
    CHECK(error.worker().starts_with(pool.name() + "#"));
    CHECK_THAT(error.what(), Catch::Contains(error.worker()) &&
                                 Catch::Contains("task " + std::to_string(task) + ","));
  };
  try {
    const int64_t result = bad.get(kSoon);
    CHECK(result == 42);
    CHECK_FALSE((slate || stays));  // else what it wrote behind it may be whole
  } catch (const WorkerDied& error) {
    check_death(error, 30);
    if (slate || stays) CHECK_THAT(error.what(), Catch::Contains("made no sense"));
  }
  for (size_t i = 0; i < others.size(); ++i) {
    const size_t task = i + 20;
    CAPTURE(task);
    try {
      const int64_t result = others[i].get(kSoon);
      CHECK(result == static_cast<int64_t>(task));
      CHECK(runs[task] == 1);
    } catch (const WorkerDied& error) {
      CHECK(slate);  // what its worker had begun is not known
      check_death(error, static_cast<int64_t>(i < 30 ? i : i + 1));
      CHECK(runs[task] <= 1);
    }
  }
  CHECK(pool.map(square, numbers(1'000)).back() == 999 * 999);
  CHECK(soon([&] { return pool.processes().size() == 2; }));
  CHECK(pool.apply(square, 5) == 25);
}

TEST_CASE("Pool: tasks that a task lost on their way to its worker are run by another") {
  constexpr int64_t kBefore = 2'000;
  const int64_t behind = GENERATE(1, 20'000);  // of many some come after those that are lost
  CAPTURE(behind);
  const Runs runs(static_cast<size_t>(kBefore + 1 + behind));
  Pool pool(PoolOptions{.workers = 1, .initializer = Initializer(see_runs, runs)});
  // They are quick, so that some go ahead.
  CHECK(pool.map(counted, std::views::iota(int64_t{0}, kBefore)).size() == kBefore);
  const int before = pool.processes().front().pid;
  auto bad = pool.apply_async(careless, kBefore);
  REQUIRE(soon([&] { return runs[kBefore] == 1; }));
  std::vector<Future<int64_t>> others;
  for (int64_t i = 1; i <= behind; ++i) others.push_back(pool.apply_async(counted, kBefore + i));
  CHECK(bad.get(kSoon) == kBefore);
  int64_t task = kBefore;
  int64_t right = 0;
  for (Future<int64_t>& other : others) {
    const int64_t result = other.get(kSoon);
    ++task;
    right += result == task && runs[static_cast<size_t>(task)] == 1;
  }
  CHECK(right == behind);
  CHECK(pool.processes().front().pid != before);
}

TEST_CASE("Pool: a result that a task made look like a greeting is told as its worker's death") {
  Pool pool(1);
  CHECK_THROWS_AS(pool.apply_async(write_over, "towpath-pool-slate", 1u, false).get(kSoon),
                  WorkerDied);
  CHECK(pool.apply(square, 5) == 25);
}

TEST_CASE("Pool: a result that a task made look like a failed start breaks no pool") {
  Pool pool(1);
  const int before = pool.apply(own_pid);
  auto bad = pool.apply_async(pretend, uint32_t{pools::ResultsHead::kFailed});
  try {
    const RemoteTrace result = bad.get(kSoon);
    CHECK(result.message == "no start");  // it still stood in the slate
  } catch (const WorkerDied& error) {
    CHECK_THAT(error.what(), Catch::Contains("made no sense") && Catch::Contains("was ready"));
  }
  CHECK(pool.apply(own_pid) != before);
}

TEST_CASE("Pool: a task that writes over its worker's slate still has a deadline") {
  Pool pool(PoolOptions{.workers = 1, .deadline = Millis{300}});
  auto bad = pool.apply_async(write_over, "towpath-pool-slate", 0u, true);
  CHECK_THAT(message_of<WorkerDied>([&] { bad.get(kSoon); }),
             Catch::Contains("task 0") && Catch::Contains("made no sense"));
  CHECK(pool.apply(square, 5) == 25);
}
