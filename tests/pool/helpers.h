#pragma once
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "towpath/base/error.h"
#include "towpath/pool/executor.h"
#include "towpath/pool/pool.h"
#include "towpath/process/remote_error.h"

// What several tests of this folder need.

inline constexpr towpath::Millis kSoon{20'000};  // for what must happen, and happens at once

inline int64_t square(int64_t x) { return x * x; }
inline int own_pid() { return ::getpid(); }
inline void stay() {
  for (;;) ::pause();
}
inline int kill_self(int signal) {
  ::kill(::getpid(), signal);
  return 0;
}

inline std::vector<int64_t> numbers(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// A condition that another process or thread brings about.
template <class F>
bool soon(F condition) {
  const towpath::Deadline deadline(kSoon);
  while (!condition()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(towpath::Millis{1});
  }
  return true;
}

inline bool has_process(int pid) { return std::filesystem::exists("/proc/" + std::to_string(pid)); }

// The message of the error of type E that the call throws; "(none)" without one.
template <class E, class F>
std::string message_of(F call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "(none)";
}
