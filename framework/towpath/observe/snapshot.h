#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "towpath/message/codec.h"

namespace towpath {

// How a run stands at one moment: what the coordinator's ledger says and nothing else. Stages that
// the planner split (a reader's `files`, the members of a keyed pool and their merge) are shown as
// they are named in the plan; members of one pool are added up.
struct StageSnapshot {
  std::string name;
  int64_t workers = 0, busy = 0, restarts = 0;
  int64_t leases = 0;
  int64_t in = 0, out = 0, filtered = 0, rejected = 0;
  bool counts_filtered = false;  // one row in, one or none out: in = out + filtered + rejected
  int64_t bytes = 0;             // of its output batches
  int64_t state = 0;             // bytes of what it kept between batches, at the most
  int64_t queued = 0;            // batches that wait to be read
  double busy_seconds = 0;
  TOWPATH_FIELDS(name, workers, busy, restarts, leases, in, out, filtered, rejected,
                 counts_filtered, bytes, state, queued, busy_seconds)
};

struct Snapshot {
  std::string run, pipeline, status;
  double seconds = 0;
  uint64_t done = 0, total = 0;  // of what the sources know: bytes of files, or rows
  bool in_bytes = false;         // done and total are bytes
  int64_t rejected = 0;
  uint64_t arena_used = 0, arena_peak = 0, arena_limit = 0;
  int64_t epochs = 0, rewinds = 0;  // recorded; how often the run went back to the last of them
  std::vector<StageSnapshot> stages;
  TOWPATH_FIELDS(run, pipeline, status, seconds, done, total, in_bytes, rejected, arena_used,
                 arena_peak, arena_limit, epochs, rewinds, stages)
};

}  // namespace towpath
