#pragma once
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "towpath/base/clock.h"
#include "towpath/process/process.h"

// What all parts of this program need.

inline constexpr towpath::Millis kSoon{60'000};  // for what must happen, on a busy machine

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::_Exit(1);
}

// One process of a kind; another takes its place when it was killed.
class Place {
 public:
  using Start = std::function<towpath::Process()>;
  explicit Place(Start start) : start_(std::move(start)), process_(begun()) {}

  void kill() {
    ::kill(process_.pid(), SIGKILL);
    require(process_.join(kSoon), "a killed process has not ended");
    require(process_.exitcode() == -SIGKILL, "a process did not end by its signal");
  }
  void replace() { process_ = begun(); }
  bool has_ended() { return process_.join(towpath::Millis{0}); }
  // It ends by itself.
  void join() {
    require(process_.join(kSoon), "a process that has nothing more to do does not end");
    require(process_.exitcode() == 0, "a process that had nothing more to do ended badly");
  }

 private:
  towpath::Process begun() {
    towpath::Process process = start_();
    process.start();
    return process;
  }
  Start start_;
  towpath::Process process_;
};
