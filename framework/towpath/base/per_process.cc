#include "towpath/base/per_process.h"

#include <pthread.h>

namespace towpath {
namespace {

std::atomic<uint32_t> generation{0};
const int counts_forks = ::pthread_atfork(nullptr, nullptr, [] { ++generation; });

}  // namespace

uint32_t fork_generation() {
  (void)counts_forks;
  return generation.load(std::memory_order_relaxed);
}

}  // namespace towpath
