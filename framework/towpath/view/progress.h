#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/observe/snapshot.h"

namespace towpath {

// How far a run is, on standard error: one line that is written over on a terminal; elsewhere (a
// file, a pipe) a plain line every few seconds, so that a log stays short.
class Progress {
 public:
  explicit Progress(int fd);
  void show(const Snapshot& now);
  void finish();  // leaves the terminal's line empty

  // The line's text: done, rate, time left, and the stage that is busiest.
  static std::string line(const Snapshot& now, double bytes_per_second);

 private:
  const int fd_;
  const bool terminal_;
  Clock::time_point last_line_;
  double last_seconds_ = 0;
  uint64_t last_done_ = 0;
  double rate_ = 0;  // per second, smoothed
  bool shown_ = false;
};

}  // namespace towpath
