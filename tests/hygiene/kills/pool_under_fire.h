#pragma once
#include <csignal>
#include <cstdio>
#include <deque>
#include <random>
#include <utility>

#include "place.h"
#include "towpath/pool/pool.h"

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

// Tasks in a pool whose workers are killed.
class PoolUnderFire {
 public:
  explicit PoolUnderFire(uint32_t seed)
      : random_(seed), pool_(towpath::PoolOptions{.workers = 2}) {}

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
      tasks_.emplace_back(n, pool_.apply_async(&sum_of_steps, n));
    }
    while (!tasks_.empty() && tasks_.front().second.done()) settle();
  }
  void finish() {
    while (!tasks_.empty()) settle();
    pool_.close();
    require(pool_.join(kSoon), "a pool does not end");
    require(died_ <= kills_, "more tasks failed than workers died");
    std::printf("pool: tasks %lld, of them failed by a death %lld\n",
                static_cast<long long>(done_ + died_), static_cast<long long>(died_));
  }

 private:
  void settle() {
    auto [n, future] = std::move(tasks_.front());
    tasks_.pop_front();
    try {
      require(future.get(kSoon) == sum_of_steps(n), "a task has a wrong result");
      ++done_;
    } catch (const towpath::WorkerDied& death) {
      require(death.signal() == SIGKILL && death.pid() > 0, "a death is told wrongly");
      require(death.worker().starts_with("Pool-"), "a death names no worker");
      ++died_;
    }
  }

  std::minstd_rand random_;
  towpath::Pool pool_;
  std::deque<std::pair<int64_t, towpath::Future<int64_t>>> tasks_;
  int64_t kills_ = 0;
  int64_t done_ = 0;
  int64_t died_ = 0;
};
