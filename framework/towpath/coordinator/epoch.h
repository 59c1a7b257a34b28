#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "towpath/message/codec.h"
#include "towpath/worker/protocol.h"

// What a run can go on from: everything that lies before one place in the order of all rows, for
// each source its own. Data only: the ledger makes it and begins from it, run.db keeps it.

namespace towpath {

// A place in the order of all rows: which source, which of its reads, and which part of it, where
// what was read names files and their reader commits in parts. A flush stands behind the last read.
struct Sequence {
  int source = 0;
  uint64_t number = 0;
  uint64_t part = 0;
  auto operator<=>(const Sequence&) const = default;
  static Sequence end_of(int source) { return {source, UINT64_MAX, 0}; }
  // Of all flushes.
  static Sequence behind(int source) { return {source, UINT64_MAX, UINT64_MAX}; }
  static Sequence never() { return {INT32_MAX, UINT64_MAX, UINT64_MAX}; }
  TOWPATH_FIELDS(source, number, part)
};

// What one stage has done.
struct StageCounts {
  int64_t out = 0, rejected = 0;
  uint64_t leases = 0, bytes = 0, busy_us = 0;
  std::vector<StepCounts> steps;
  std::map<std::string, uint64_t> counters;
  uint64_t done = 0, total = 0;  // a source's progress
  uint64_t state = 0;            // the most that its state was
  TOWPATH_FIELDS(out, rejected, leases, bytes, busy_us, steps, counters, done, total, state)
};

struct EpochRecord {
  // A batch before the place that nobody has processed yet: its turn had not come.
  struct Held {
    Sequence sequence;
    int64_t first_row = 0;
    BatchName batch;
    uint64_t at = 0;  // of its image in the file of the epoch's batches
    TOWPATH_FIELDS(sequence, first_row, batch, at)
  };
  // A lease that was committed up to a cursor.
  struct OpenLease {
    uint64_t from_input = 0;
    Held input;
    std::string cursor;
    uint64_t closed = 0;  // parts
    TOWPATH_FIELDS(from_input, input, cursor, closed)
  };
  struct StageAt {
    std::string name;
    int member = 0;
    StageCounts counts;
    // A source's:
    uint64_t next_read = 0;
    std::optional<std::string> token;
    bool source_ended = false;
    // Any stage's:
    std::vector<uint8_t> finished;  // per port
    int next_port = -1;
    bool chooses = false;
    Sequence last_out;
    std::vector<OpenLease> leases;
    std::string saved;     // a sink's position; the file of a stage's state
    bool applied = false;  // a sink: the counts, and its rejects' bytes, have what apply refused
    TOWPATH_FIELDS(name, member, counts, next_read, token, source_ended, finished, next_port,
                   chooses, last_out, leases, saved, applied)
  };
  struct EdgeAt {
    int64_t released = 0;
    std::vector<Held> held;
    TOWPATH_FIELDS(released, held)
  };

  uint64_t number = 0;  // 0: nothing was done yet
  bool final = false;   // nothing is left to be done but to make outputs visible
  std::vector<StageAt> stages;
  std::vector<EdgeAt> edges;
  std::vector<uint64_t> reject_bytes;  // per stage: of its reject file
  TOWPATH_FIELDS(number, final, stages, edges, reject_bytes)
};

}  // namespace towpath
