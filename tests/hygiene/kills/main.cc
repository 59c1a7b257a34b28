// Kills, at random instants, one after another of those who put, work, hold a lock, run a pool's
// tasks, fork: argv[1] of them, argv[2] is the seed. In the end each item that was put was worked
// on, each pool's task had one outcome, the lock kept its promise. Prints the counts; exits with 1
// at the first that is wrong.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "towpath/multiprocessing.h"
#include "towpath/shared/value.h"

using namespace towpath;

namespace {

constexpr Millis kSoon{60'000};

struct Item {
  int putter = 0;
  int number = 0;
  auto operator<=>(const Item&) const = default;
  TOWPATH_FIELDS(putter, number)
};

// What the holders of the lock write, and what is wrong in it if two held it at once.
struct Guarded {
  int64_t left = 0;
  int64_t right = 0;
  int64_t torn = 0;     // seen different, and nobody had died
  int64_t repairs = 0;  // seen different behind a death
};

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::_Exit(1);
}

void put_for_ever(int putter, JoinableQueue<Item> items, RawValue<int> counted) {
  for (int i = 0;; ++i) {
    items.put({putter, i});
    counted.set(i + 1);
  }
}

void work_for_ever(JoinableQueue<Item> items, Queue<Item> results) {
  for (;;) {
    results.put(items.get());
    items.task_done();
  }
}

void hold_for_ever(Lock lock, RawValue<Guarded> guarded) {
  for (;;) {
    const auto guard = lock.guard();
    Guarded& it = *guarded;
    if (it.left != it.right) {
      ++(guard.owner_died ? it.repairs : it.torn);
      it.right = it.left;
    }
    ++it.left;
    std::this_thread::yield();  // a time to die in
    ++it.right;
  }
}

int64_t collatz(int64_t n) {
  int64_t steps = 0;
  for (; n != 1; ++steps) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

int64_t task(int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 1; i <= 2'000; ++i) sum += collatz(n + i);
  return sum;
}

// The numbers of one putter's items, which two workers may bring out of order.
struct Seen {
  int next = 0;         // all below were seen
  std::set<int> later;  // and these
  // False: it was seen before.
  bool add(int number) {
    if (number < next || !later.insert(number).second) return false;
    for (; !later.empty() && *later.begin() == next; ++next) later.erase(later.begin());
    return true;
  }
};

// One process of a kind; another takes its place when it was killed.
class Place {
 public:
  using Start = std::function<Process()>;
  explicit Place(Start start) : start_(std::move(start)), process_(begun()) {}
  void kill() {
    ::kill(process_.pid(), SIGKILL);
    require(process_.join(kSoon), "a killed process has not ended");
    require(process_.exitcode() == -SIGKILL, "a process did not end by its signal");
  }
  void replace() { process_ = begun(); }

 private:
  Process begun() {
    Process process = start_();
    process.start();
    return process;
  }
  Start start_;
  Process process_;
};

// Tasks in a pool whose workers are killed.
class PoolUnderFire {
 public:
  explicit PoolUnderFire(uint32_t seed) : random_(seed), pool_(PoolOptions{.workers = 2}) {}

  void kill_one() {
    const auto workers = pool_.processes();
    if (workers.empty()) return;
    ::kill(workers[random_() % workers.size()].pid, SIGKILL);
    ++kills;
  }
  // Keeps some tasks on their way, and looks at what has come of others.
  void step() {
    while (tasks_.size() < 40) {
      const auto n = static_cast<int64_t>(random_() % 1'000'000);
      tasks_.emplace_back(n, pool_.apply_async(&task, n));
    }
    while (!tasks_.empty() && tasks_.front().second.done()) settle();
  }
  void finish() {
    while (!tasks_.empty()) settle();
    pool_.close();
    require(pool_.join(kSoon), "a pool does not end");
  }
  int64_t kills = 0;
  int64_t done = 0;
  int64_t died = 0;

 private:
  void settle() {
    auto [n, future] = std::move(tasks_.front());
    tasks_.pop_front();
    try {
      require(future.get(kSoon) == task(n), "a task has a wrong result");
      ++done;
    } catch (const WorkerDied& death) {
      require(death.signal() == SIGKILL && death.pid() > 0, "a death is told wrongly");
      require(death.worker().starts_with("Pool-"), "a death names no worker");
      ++died;
    }
  }

  std::minstd_rand random_;
  Pool pool_;
  std::deque<std::pair<int64_t, Future<int64_t>>> tasks_;
};

class Battle {
 public:
  explicit Battle(uint32_t seed) : random_(seed), fire_(seed) {
    for (int i = 0; i < 2; ++i) {
      putters_.push_back(new_putter());
      workers_.emplace_back(
          [this] { return Process(Options{.daemon = true}, &work_for_ever, items_, results_); });
      holders_.emplace_back(
          [this] { return Process(Options{.daemon = true}, &hold_for_ever, lock_, guarded_); });
    }
  }

  void kill_one() {
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2'000));  // some instant
    const size_t which = random_() % 2;
    enum { kPutter, kWorker, kHolder, kPoolsWorker };
    if (random_() % 32 == 0) {
      if (const int pid = Forkserver::of_this_process().pid(); pid > 0) ::kill(pid, SIGKILL);
    }
    switch (random_() % 4) {
      case kPutter:
        putters_[which].place.kill();
        check_putter(putters_[which]);
        putters_[which] = new_putter();
        break;
      case kWorker:
        workers_[which].kill();
        workers_[which].replace();
        ++worker_deaths_;
        break;
      case kHolder:
        holders_[which].kill();
        holders_[which].replace();
        break;
      case kPoolsWorker:
        fire_.kill_one();
        break;
    }
    fire_.step();
    take_results();
  }

  void finish() {
    for (Putter& putter : putters_) {
      putter.place.kill();
      check_putter(putter);
    }
    while (!items_.join(Millis{1})) {
      take_results();
      require(Clock::now() < deadline_, "items are left undone");
    }
    take_results();
    for (Place& worker : workers_) worker.kill();
    for (Place& holder : holders_) holder.kill();
    take_results();
    fire_.finish();

    int64_t items = 0;
    for (const auto& [putter, count] : put_) {
      const auto found = seen_.find(putter);
      const int seen = found == seen_.end() ? 0 : found->second.next;
      // The last may have been put and not counted.
      require(seen == count || seen == count + 1, "an item was lost, or came from nowhere");
      require(found == seen_.end() || found->second.later.empty(), "an item is missing");
      items += seen;
    }
    require(put_.size() >= seen_.size(), "items of an unknown putter");
    // A worker may die between the result and its word that the task is done.
    require(twice_ <= worker_deaths_, "a task that was done was given again");
    require(guarded_->torn == 0, "two held one lock");
    require(lock_.acquire(kSoon) != Acquired::kNo, "a lock stays locked");
    require(fire_.died <= fire_.kills, "more tasks failed than workers died");
    std::printf(
        "items %lld, again after a death %lld, locked %lld, repaired %lld, tasks %lld, "
        "of them failed by a death %lld\n",
        static_cast<long long>(items), static_cast<long long>(twice_),
        static_cast<long long>(guarded_->left), static_cast<long long>(guarded_->repairs),
        static_cast<long long>(fire_.done + fire_.died), static_cast<long long>(fire_.died));
  }

 private:
  struct Putter {
    int number;
    RawValue<int> counted;
    Place place;
  };
  Putter new_putter() {
    const int number = next_putter_++;
    RawValue<int> counted;
    Place place([this, number, counted] {
      return Process(Options{.daemon = true}, &put_for_ever, number, items_, counted);
    });
    return {number, counted, std::move(place)};
  }
  void check_putter(const Putter& putter) { put_[putter.number] = putter.counted.get(); }

  void take_results() {
    for (;;) {
      try {
        const Item item = results_.get_nowait();
        if (!seen_[item.putter].add(item.number)) ++twice_;
      } catch (const Empty&) {
        return;
      }
    }
  }

  std::minstd_rand random_;
  JoinableQueue<Item> items_{200};
  Queue<Item> results_;
  Lock lock_;
  RawValue<Guarded> guarded_;
  PoolUnderFire fire_;
  int next_putter_ = 0;
  std::vector<Putter> putters_;
  std::vector<Place> workers_, holders_;
  std::map<int, int> put_;    // by putter: what it had counted when it died
  std::map<int, Seen> seen_;  // by putter
  int64_t twice_ = 0;
  int64_t worker_deaths_ = 0;
  Clock::time_point deadline_ = Clock::now() + std::chrono::minutes(50);
};

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s KILLS SEED\n", argv[0]);
    return 2;
  }
  Battle battle(static_cast<uint32_t>(std::atoi(argv[2])));
  const int kills = std::atoi(argv[1]);
  for (int i = 0; i < kills; ++i) battle.kill_one();
  battle.finish();
}
