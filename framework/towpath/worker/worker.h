#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/message/codec.h"
#include "towpath/process/process.h"
#include "towpath/stage/step.h"

namespace towpath {

struct WorkerOutput {
  std::string name;
  Schema schema;
  std::vector<std::string>
      partition_by;  // the worker adds each row's partition by these columns; or empty
  TOWPATH_FIELDS(name, schema, partition_by)
};

// What a worker needs to begin; its arguments as a Process.
struct WorkerStart {
  std::string title;     // "word_count/count#1"
  std::string identity;  // of this incarnation: used once
  std::string address;   // of the coordinator's router
  std::string temp_dir;
  std::vector<Step> steps;
  std::vector<WorkerOutput> outputs;
  std::vector<std::string>
      partition_by;  // its input's rows are partitioned here, by these columns; or empty
  std::optional<std::string>
      token;  // of a source that starts again: the point after its last applied read
  TOWPATH_FIELDS(title, identity, address, temp_dir, steps, outputs, partition_by, token)
};

// The loop in a stage's process: lease, run, commit, until the pill. Ends with exit code 0 after
// the pill, and with _exit when the coordinator is gone (its end of `lifeline` has closed). Owns
// the descriptors. `run_lock` is only held, for as long as this process lives: whoever gets the
// lock knows that no worker of the run is left.
void worker_main(WorkerStart start, Descriptor arena, Descriptor lifeline, Descriptor run_lock);

}  // namespace towpath
