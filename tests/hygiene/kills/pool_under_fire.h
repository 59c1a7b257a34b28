#pragma once
#include <atomic>
#include <csignal>
#include <cstdio>
#include <deque>
#include <optional>
#include <random>
#include <string>

#include "place.h"
#include "towpath/pool/pool.h"
#include "towpath/shared/array.h"

inline int64_t collatz(int64_t n) {
  int64_t steps = 0;
  for (; n != 1; ++steps) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

inline int64_t sum_of_steps(int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 1; i <= 2'000; ++i) sum += collatz(n + i);
  return sum;
}

using Runs = towpath::RawArray<int>;

inline std::optional<Runs>& runs_seen_by_worker() {
  static std::optional<Runs> runs;
  return runs;
}
inline void see_runs(const Runs& runs) { runs_seen_by_worker() = runs; }

// Counts its run, which outlives its worker.
inline int64_t counted_sum(int64_t place, int64_t n) {
  std::atomic_ref((*runs_seen_by_worker())[static_cast<uint64_t>(place)]).fetch_add(1);
  return sum_of_steps(n);
}

// Tasks in a pool whose workers are killed: each runs at most once, and none is tried again.
class PoolUnderFire {
 public:
  explicit PoolUnderFire(uint32_t seed)
      : random_(seed),
        runs_(kPlaces),
        pool_(towpath::PoolOptions{.workers = 2,
                                   .initializer = towpath::Initializer(&see_runs, runs_)}) {}

  void kill_one() {
    const auto workers = pool_.processes();
    if (workers.empty()) return;
    ::kill(workers[random_() % workers.size()].pid, SIGKILL);
    ++kills_;
  }
  // Keeps some tasks on their way, and looks at what has come of others.
  void step() {
    while (tasks_.size() < 40) {
      const auto n = static_cast<int64_t>(random_() % 1'000'000);
      const int64_t number = submitted_++;
      tasks_.push_back({number, n, pool_.apply_async(&counted_sum, number % kPlaces, n)});
    }
    while (!tasks_.empty() && tasks_.front().future.done()) settle();
  }
  void finish() {
    while (!tasks_.empty()) settle();
    pool_.close();
    require(pool_.join(kSoon), "a pool does not end");
    require(died_ <= kills_, "more tasks failed than workers died");
    for (const int late : *runs_) require(late == 0, "a task ran again behind its outcome");
    std::printf("pool: tasks %lld, of them failed by a death %lld\n",
                static_cast<long long>(done_ + died_), static_cast<long long>(died_));
  }

 private:
  // Places are used again, by tasks long behind: what runs late is found there, or in the end.
  static constexpr int64_t kPlaces = 4'096;

  struct Task {
    int64_t number;
    int64_t n;
    towpath::Future<int64_t> future;
  };

  void settle() {
    const Task task = tasks_.front();
    tasks_.pop_front();
    const auto runs = [&] {
      return std::atomic_ref(runs_[static_cast<uint64_t>(task.number % kPlaces)]).exchange(0);
    };
    try {
      require(task.future.get(kSoon) == sum_of_steps(task.n), "a task has a wrong result");
      require(runs() == 1, "a task that succeeded did not run once");
      ++done_;
    } catch (const towpath::WorkerDied& death) {
      require(runs() <= 1, "a task that failed ran more than once");
      require(death.signal() == SIGKILL && death.pid() > 0, "a death is told wrongly");
      require(death.worker().starts_with("Pool-"), "a death names no worker");
      require(death.task() == task.number, "a death names another task");
      const std::string what = death.what();
      require(what.find("task " + std::to_string(task.number) + ",") != what.npos &&
                  what.find(death.worker()) != what.npos && what.find("signal 9") != what.npos,
              "a death's text does not say which worker and task");
      ++died_;
    }
  }

  std::minstd_rand random_;
  Runs runs_;
  towpath::Pool pool_;
  std::deque<Task> tasks_;
  int64_t submitted_ = 0;
  int64_t kills_ = 0;
  int64_t done_ = 0;
  int64_t died_ = 0;
};
