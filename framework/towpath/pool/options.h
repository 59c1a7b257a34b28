#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/process/method.h"
#include "towpath/process/target.h"

namespace towpath {

// What each worker runs before its first task: a function and its arguments.
class Initializer {
 public:
  Initializer() = default;  // none
  template <class F, class... A>
  requires(!std::same_as<F, Initializer>)
      Initializer(F function, A&&... args)  // NOLINT(google-explicit-constructor)
      : call_(calls::make(function, std::forward<A>(args)...)) {
    if (!call_.descriptors.empty()) {
      throw NotSerialisable("an initializer's arguments can't hold descriptors or connections");
    }
  }
  const Call& call() const { return call_; }
  explicit operator bool() const { return call_.function != nullptr; }

 private:
  Call call_;
};

struct PoolOptions {
  int workers = 0;           // 0: cores_of_pools()
  int retries = 0;           // of a task whose worker died. Tasks may not be idempotent, hence 0
  size_t recycle_after = 0;  // a worker is replaced after so many tasks; 0: never
  // A worker whose resident memory has grown by so many bytes is replaced; 0: never.
  uint64_t recycle_growth = 0;
  // Of each task, from its beginning: then its worker is killed. A worker that does not begin a
  // task so long (at least 1 s) after it was free for it is stopped or stuck: it is killed, too,
  // and the task goes to another. The wait for a free worker does not count.
  Millis deadline = kForever;
  Initializer initializer{};
  std::optional<Method> method{};  // get_start_method()
  // A worker without a task for so long ends; another starts when there are tasks.
  Millis idle_timeout = kForever;
  // For what runs at a worker's exit, once it was told to end; then SIGTERM, a second later
  // SIGKILL.
  Millis exit_grace{10'000};
  std::string name{};  // "Pool-1"; its workers are "Pool-1#1", "Pool-1#2"
  std::vector<std::pair<std::string, std::string>> env{};  // added to the workers' environment
};

// What one task may want otherwise than its pool's options say.
struct TaskOptions {
  std::optional<Millis> deadline{};
  std::optional<int> retries{};
};

// Cores that a pool in this process may count on: cpu_count() in the program; in a worker of a
// pool its share of that pool's (at least 1), so nested pools don't multiply. It comes down in the
// environment, as TOWPATH_CORES; OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS get the
// same, or what the user has set them to in this process when the worker starts.
int cores_of_pools();

}  // namespace towpath
