#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/base/unique_fd.h"
#include "towpath/memory/arena.h"
#include "towpath/process/lifeline.h"
#include "towpath/process/process.h"
#include "towpath/worker/worker.h"

namespace towpath {

// What a run has on one machine: the arena, and the worker processes, which it starts and watches.
// Death is what a process's pidfd says, never a time-out.
// Threads    one.
class Host {
 public:
  // `run_lock` is handed to every worker (see RunFolder).
  Host(uint64_t memory, int run_lock);
  Host(const Host&) = delete;
  ~Host();  // kills what still lives

  Arena& arena() { return *arena_; }
  const Arena& arena() const { return *arena_; }
  // Another one in its place, with nothing in it. When no worker lives.
  void renew_arena();

  struct Launch {
    Method method = Method::kForkserver;
    std::vector<std::pair<std::string, std::string>> env;
    int log_fd = -1;  // standard error of the worker; -1: ours
  };
  // Starts the worker `key`, which must not live. Throws what Process::start throws. Returns its
  // pid.
  int start(int key, const WorkerStart& start, const Launch& launch);

  int fd() const { return epoll_.get(); }  // readable when a worker has ended
  struct Ended {
    int key = 0;
    int pid = 0;
    int exitcode = 0;  // -s: killed by signal s
  };
  // The workers that have ended since the last call; never blocks.
  std::vector<Ended> reap();

  void terminate_all();
  void kill(int key);
  void kill_all();
  size_t alive() const { return workers_.size(); }
  int pid(int key) const;  // 0: it does not live

 private:
  const uint64_t memory_;
  std::optional<Arena> arena_;
  const int run_lock_;
  Lifeline lifeline_;
  UniqueFd epoll_;
  std::map<int, Process> workers_;
};

// "exit code 3", "signal 11 (SIGSEGV)".
std::string show_exit(int exitcode);

}  // namespace towpath
