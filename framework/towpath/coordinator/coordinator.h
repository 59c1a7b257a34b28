#pragma once
#include <functional>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/graph/plan.h"
#include "towpath/observe/snapshot.h"

namespace towpath {

struct RunOptions {
  std::string runs = ".towpath/runs";  // a run's folder is made here
  // Called about every `interval` while the run goes on, and once at its end, in the calling
  // thread.
  std::function<void(const Snapshot&)> observe;
  Millis interval{200};
  bool handle_signals =
      true;  // SIGINT and SIGTERM stop the run; only the main program's thread may
};

struct RunResult {
  // 0 done; 1 failed; 3 done, with rejects; 130 interrupted.
  int exit_code = 0;
  std::string message;     // why it failed
  std::string folder;      // of the run
  bool resumable = false;  // resume_run() goes on with it, and its partial files are there
  std::string rejects;     // path of the reject file; empty when nothing was rejected
  Snapshot ledger;
};

// Runs the plan to its end: starts the workers, leases, watches, stops. Returns when every process
// of the run has ended. Faults of the run are in the result; throws only when it could not begin
// (SystemError, Invalid). Call it in a process without threads of its own, so that `fork`
// can start workers.
RunResult run_plan(const Plan& plan, const RunOptions& options);

// Goes on with a run from its last epoch: after an interrupt, a fault, or the death of its
// coordinator. Throws Invalid for one that goes on, is done, has recorded no epoch, or whose YAML,
// inputs or plugins have changed since.
RunResult resume_run(const std::string& folder, const RunOptions& options);

}  // namespace towpath
