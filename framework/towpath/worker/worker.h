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
  // Of a source that starts again: the point after its last applied read; of a sink: its position.
  std::optional<std::string> token;
  std::optional<std::string> state;  // the file that a stage with state goes on from
  std::string states_dir;            // what it saves is <this>/<epoch>/<name>
  std::string state_name;
  std::string inputs;  // the file that lists what a source reads
  TOWPATH_FIELDS(title, identity, address, temp_dir, steps, outputs, partition_by, token, state,
                 states_dir, state_name, inputs)
};

// The loop in a stage's process: lease, run, commit, until the pill. Ends with exit code 0 after
// the pill, and with _exit when the coordinator is gone (its end of `lifeline` has closed). Owns
// the descriptors. `run_lock` is only held, for as long as this process lives: whoever gets the
// lock knows that no worker of the run is left.
void worker_main(WorkerStart start, Descriptor arena, Descriptor lifeline, Descriptor run_lock);

}  // namespace towpath
