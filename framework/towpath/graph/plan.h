#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "towpath/message/codec.h"
#include "towpath/message/object.h"
#include "towpath/message/type.h"
#include "towpath/stage/settings.h"
#include "towpath/stage/stage_spec.h"
#include "towpath/stage/step.h"

// What is to be run, checked whole: the planner's answer and the coordinator's whole knowledge of a
// pipeline. Data only; it is recorded in run.db and sent to workers as MessagePack.
//
// The planner has already
//   - put a `files` stage before a reader that has a `path` and no `from`;
//   - replaced a keyed pool of N workers by N members of one worker each, that all read the same
//     output, and a merge behind them;
//   - ordered stages so that every stage stands behind all it reads from.

namespace towpath {

using PlanStep = Step;

struct PlanOutput {
  std::string name;  // "" for the main one
  Schema schema;
  std::vector<std::string>
      partition_by;        // the writer adds each row's partition by these columns; or empty
  std::vector<int> edges;  // every reader gets every batch: fan-out by copy
  TOWPATH_FIELDS(name, schema, partition_by, edges)
};

struct PlanStage {
  int id = 0;        // position in Plan::stages
  std::string name;  // as in YAML; a stage that the planner added is "sales.files", "daily.merge"
  int member = 0;    // of a keyed pool: 1 to N; 0: not a member
  Role role = Role::kStage;
  std::vector<PlanStep> steps;  // one process runs them all
  int workers = 1;
  std::vector<int> inputs;  // edges, in the order of `from`; several may lead to one port
  std::vector<std::string> partition_by;  // of a keyed pool's member: the key columns of its input
  bool partitions_input =
      false;  // its input's writers hash another key, or none: it hashes for itself
  std::vector<PlanOutput> outputs;
  std::vector<int> sources;  // ids of the sources whose rows reach it, ascending
  bool stateful = false;     // its death can't be repaired by leasing again
  std::string start_method;  // "", "forkserver", "spawn", "fork"
  std::vector<std::pair<std::string, std::string>> env;
  TOWPATH_FIELDS(id, name, member, role, steps, workers, inputs, partition_by, partitions_input,
                 outputs, sources, stateful, start_method, env)
};

struct PlanEdge {
  int id = 0;  // position in Plan::edges
  int from_stage = 0, from_output = 0;
  int to_stage = 0, to_port = 0;
  uint64_t room = 0;  // its share of the arena in bytes
  TOWPATH_FIELDS(id, from_stage, from_output, to_stage, to_port, room)
};

struct Plan {
  std::string pipeline;
  std::string config;  // path of the YAML file; empty when built by a program
  std::string config_text;
  uint64_t memory = 0;        // bytes of the arena and of all stages' states together
  uint64_t memory_edges = 0;  // of these, what edges can't do without; states may take the rest
  int cores = 1;
  uint64_t batch_rows = 0;
  std::string start_method = "forkserver";
  std::optional<uint64_t> max_rejects;  // none: any number
  int64_t epoch_ms = 10'000;            // from one epoch to the next
  std::vector<std::pair<std::string, Object>> params;
  int64_t now_micros = 0;
  uint64_t seed = 0;
  std::vector<PlanStage> stages;
  std::vector<PlanEdge> edges;
  TOWPATH_FIELDS(pipeline, config, config_text, memory, memory_edges, cores, batch_rows,
                 start_method, max_rejects, epoch_ms, params, now_micros, seed, stages, edges)

  // Stages as they are written: what the planner added, and all but one member of a pool, left out.
  int written_stages() const {
    int count = 0;
    for (const PlanStage& stage : stages) {
      if (stage.member <= 1 && stage.name.find('.') == std::string::npos) ++count;
    }
    return count;
  }
};

}  // namespace towpath
