#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "towpath/base/error.h"

namespace towpath {

// The process that ran a task has ended, and the task with it. Others are not touched: what was
// waiting for that process has gone to another one.
class WorkerDied : public Error {
 public:
  WorkerDied(const std::string& what, std::string worker, int pid, int exitcode, int64_t task)
      : Error(what), worker_(std::move(worker)), pid_(pid), exitcode_(exitcode), task_(task) {}
  const std::string& worker() const { return worker_; }
  int pid() const { return pid_; }
  int signal() const { return exitcode_ < 0 ? -exitcode_ : 0; }  // 0: it ended by exit()
  int exitcode() const { return exitcode_; }                     // -signal, or of exit()
  int64_t task() const { return task_; }                         // -1: while it started

 private:
  std::string worker_;
  int pid_;
  int exitcode_;
  int64_t task_;
};

// The task ran longer than its deadline; its worker was killed and replaced. Or three workers one
// after another did not begin it in that time: then it never ran.
class DeadlinePassed : public Timeout {
 public:
  using Timeout::Timeout;
};

// The task was cancelled before it ran, or killed while it ran.
class Cancelled : public Error {
 public:
  using Error::Error;
};

}  // namespace towpath
