// A pool's workers have names, which tasks can ask for. Which worker gets which task is not said.
#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

std::pair<int, std::string> square(int n) { return {n * n, current_process().name()}; }

}  // namespace

void pool_worker_names() {
  Pool pool(PoolOptions{.workers = 2, .name = "squares"});
  std::vector<int> squares;
  for (const auto& [number, worker] : pool.map(&square, std::views::iota(3, 7))) {
    say(format("{} by {}", number, worker));
    squares.push_back(number);
  }
  say(show(squares));
}

}  // namespace tour
