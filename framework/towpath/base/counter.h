#pragma once
#include <atomic>
#include <cstdint>

namespace towpath {

// A number that only grows, readable while it is counted. Lies in shared memory where another
// process reads it; relaxed, because nothing is ordered by it.
class Counter {
 public:
  void add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace towpath
