#pragma once
#include <concepts>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "towpath/pool/gather.h"
#include "towpath/pool/pool.h"

namespace towpath {

// The same workers with the words of concurrent.futures.
//
// Workers    start when tasks come, as many as are needed, at most PoolOptions.workers. Forked ones
//            all start with the executor, while the process has no thread yet, and what replaces
//            them comes from the forkserver: as Pool has it.
// Destructor shutdown(): waits for all tasks. (~Pool terminates.)
// All else   as Pool has it: a death breaks nothing but its task. Closed: submitting after
//            shutdown().
// Source     Python's ProcessPoolExecutor, which one death of a worker makes unusable; loky's,
//            whose resize and idle time-out are here, too (PoolOptions.idle_timeout).
class Executor {
 public:
  explicit Executor(int workers = 0) : Executor(PoolOptions{.workers = workers}) {}
  explicit Executor(PoolOptions options)
      : pool_(std::move(options), pools::Engine::Workers::kOnDemand) {}
  Executor(Executor&&) noexcept = default;
  Executor& operator=(Executor&& other) noexcept {
    Executor taken(std::move(other));  // then ends what stood here
    std::swap(pool_.engine_, taken.pool_.engine_);
    return *this;
  }
  ~Executor();

  template <class F, class... A>
  requires(!std::same_as<F, TaskOptions>) auto submit(F function, A&&... args) {
    return pool_.apply_async(function, std::forward<A>(args)...);
  }
  template <class F, class... A>
  auto submit(const TaskOptions& task, F function, A&&... args) {
    return pool_.apply_async(task, function, std::forward<A>(args)...);
  }

  struct MapOptions {
    Millis timeout = kForever;  // for all of it, from here on
    size_t chunk = 0;
    size_t buffer = 0;  // inputs pulled ahead of the results taken; 0: by measured time
  };
  // Results in input order, as they are walked, before shutdown(). Timeout comes out of walking. Of
  // several inputs: function(a, b), until the shortest ends. An lvalue must outlive the results.
  template <class F, std::ranges::input_range... In>
  requires(sizeof...(In) > 0) auto map(F function, In&&... inputs) {
    return map(MapOptions(), function, std::forward<In>(inputs)...);
  }
  template <class F, std::ranges::input_range In>
  auto map(F function, In&& input, const MapOptions& options) {
    return map(options, function, std::forward<In>(input));
  }
  template <class F, std::ranges::input_range... In>
  requires(sizeof...(In) > 0) auto map(const MapOptions& options, F function, In&&... inputs)
      -> Results<pools::HeldOf<F>> {
    return pool_.stream<false>(
        {.chunk = options.chunk, .ahead = options.buffer, .timeout = options.timeout}, function,
        std::forward<In>(inputs)...);
  }
  // Of a list in braces.
  template <class F>
  auto map(F function, pools::Listed<F> input) {
    return map(MapOptions(), function, pools::copied(input));
  }
  template <class F>
  auto map(F function, pools::Listed<F> input, const MapOptions& options) {
    return map(options, function, pools::copied(input));
  }

  // No more tasks. cancel_futures: what has not begun is Cancelled. wait: until all is done.
  void shutdown(bool wait = true, bool cancel_futures = false);
  // Ends tasks and workers now: SIGTERM, then SIGKILL; or SIGKILL at once. It is shut down then.
  void terminate_workers() { pool_.terminate(); }
  void kill_workers() { pool_.kill(); }

  int workers() const { return pool_.workers(); }
  void resize(int workers) { pool_.resize(workers); }
  std::vector<pools::Engine::WorkerInfo> processes() const { return pool_.processes(); }

 private:
  Pool pool_;
};

}  // namespace towpath
