// Kills, at random instants, one after another of those who put, take, work, hold a lock, run a
// pool's tasks, fork, or serve queues: argv[1] of them, argv[2] is the seed. In the end each item
// that was put was worked on, each pool's task ran at most once and had one outcome, the lock kept
// its promise. Prints its session's folder and the counts; exits with 1 at the first that is wrong.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <thread>

#include "line.h"
#include "lock_under_fire.h"
#include "pool_under_fire.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/hub_place.h"
#include "towpath/channel/wait.h"
#include "towpath/multiprocessing.h"
#include "towpath/process/forkserver.h"

using namespace towpath;

namespace {

constexpr uint32_t kForkserverEach = 32;  // so rare
constexpr uint32_t kHubEach = 64;

class Battle {
 public:
  explicit Battle(uint32_t seed) : random_(seed), pool_(seed) {
    lines_.emplace_back("Queue", Transport::kSharedMemory, false);
    lines_.emplace_back("JoinableQueue", Transport::kSharedMemory, true);
    lines_.emplace_back("Queue over ZeroMQ", Transport::kZeroMq, false);
    lines_.emplace_back("JoinableQueue over ZeroMQ", Transport::kZeroMq, true);
  }

  void kill_one() {
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2'000));  // some instant
    if (random_() % kForkserverEach == 0) kill_forkserver();
    const size_t which = random_();
    if (random_() % kHubEach == 0) {
      kill_hub();
    } else {
      const size_t kind = random_() % (2 * lines_.size() + 2);
      if (kind < lines_.size()) {
        lines_[kind].kill_putter(which);
      } else if (kind < 2 * lines_.size()) {
        lines_[kind - lines_.size()].kill_taker(which);
      } else if (kind == 2 * lines_.size()) {
        lock_.kill_one(which);
      } else {
        pool_.kill_one();
      }
    }
    pool_.step();
    for (Line& line : lines_) line.take_reports();
  }

  void finish() {
    for (Line& line : lines_) line.finish();
    lock_.finish();
    pool_.finish();
    std::printf("killed beside these: the hub %d times, the forkserver %d times\n", hubs_,
                forkservers_);
  }

 private:
  void kill_forkserver() {
    Forkserver& server = Forkserver::of_this_process();
    if (!server.is_running()) return;
    ::kill(server.pid(), SIGKILL);
    ++forkservers_;
  }
  void kill_hub() {
    const HubPlace hub = running_hub();
    const UniqueFd ended = hub.open_pidfd();
    ::kill(hub.pid(), SIGKILL);
    require(wait_readable(ended.get(), kSoon), "a killed hub has not ended");
    for (Line& line : lines_) {
      if (!line.has_hub()) continue;
      require(line.hub().process == hub.process, "there are two hubs");
      line.hub_was_killed();
    }
    ++hubs_;
  }

  std::minstd_rand random_;
  std::deque<Line> lines_;
  LockUnderFire lock_;
  PoolUnderFire pool_;
  int hubs_ = 0;
  int forkservers_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s KILLS SEED\n", argv[0]);
    return 2;
  }
  std::printf("%s\n", program_session().folder().c_str());
  std::fflush(stdout);
  Battle battle(static_cast<uint32_t>(std::atoi(argv[2])));
  const int kills = std::atoi(argv[1]);
  for (int i = 0; i < kills; ++i) battle.kill_one();
  battle.finish();
}
