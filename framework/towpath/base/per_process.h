#pragma once
#include <atomic>
#include <cstdint>

namespace towpath {

// How often the line of processes that led here has forked: a number that tells a child of fork
// from its parent at the cost of a load.
uint32_t fork_generation();

// State of which each process has its own. A child of fork, whoever called fork, begins with a new
// T: what its parent knew is its parent's business, and a mutex that another of its threads held
// would stay locked for ever. Never destroyed: statics and exit functions of other files may come
// later. To be made constinit, as a static.
// Threads    any.
template <class T>
class PerProcess {
 public:
  constexpr PerProcess() = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  T& get() {
    Made* made = made_.load(std::memory_order_acquire);
    while (made == nullptr || made->generation != fork_generation()) {
      auto* const fresh = new Made{.generation = fork_generation(), .parents = made};
      if (made_.compare_exchange_strong(made, fresh)) return fresh->value;
      delete fresh;  // another thread was faster
    }
    return made->value;
  }

 private:
  struct Made {
    uint32_t generation;
    const Made* parents;  // not ours to destroy
    T value{};
  };
  std::atomic<Made*> made_{nullptr};
};

}  // namespace towpath
