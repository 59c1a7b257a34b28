#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/memory/arena.h"
#include "towpath/message/codec.h"

// What coordinator and workers say to each other; PROTOCOL.md has the rules. Each message is one
// MessagePack array whose first value is its kind.
//
//   worker         ready ──▶ commit, commit, … ──▶ (exit)
//                    ▲
//   coordinator      └ work: leases with grants │ room │ pill
//
// A message of an older incarnation, lease or attempt is stale and changes nothing.

namespace towpath {

template <>
struct Codec<Block> {
  static void write(Encoder& out, const Block& block) {
    out.array(2);
    out.unsigned_integer(block.offset);
    out.unsigned_integer(block.size);
  }
  static Block read(Decoder& in) {
    in.array(2);
    const uint64_t offset = in.unsigned_integer();
    return Block{offset, in.unsigned_integer()};
  }
};

// The name of a batch: where its image lies. What travels instead of the batch.
struct BatchName {
  std::vector<Block>
      blocks;         // the image's, then those of forwarded columns; empty: the image is `image`
  std::string image;  // a small batch itself
  uint64_t size = 0;  // bytes of the image
  uint64_t head_at = 0;
  int64_t rows = 0;
  TOWPATH_FIELDS(blocks, image, size, head_at, rows)
};

// Payloads below this travel in the message.
inline constexpr uint64_t kInlineBytes = 4096;

enum class LeaseKind : uint8_t {
  kProcess,  // one input batch
  kRead,     // a source: read one batch
  kFinish,   // an input has ended: flush
  kSave,     // a stage with state: write it to a file
  kPrepare,  // a sink: make durable
  kApply,    // a sink: carry out what was prepared, as far as it can be undone
  kCommit,   // a sink: make it visible
};
constexpr LeaseKind last_of(LeaseKind) { return LeaseKind::kCommit; }

struct Grant {
  int output = 0;
  Block block;
  TOWPATH_FIELDS(output, block)
};

struct Lease {
  uint64_t id = 0;
  uint32_t attempt = 0;
  uint32_t part = 0;  // number of its next part: those before it were applied
  uint64_t epoch = 0;
  uint64_t partitions = ~uint64_t{0};  // bit set: whose rows are this worker's, and whose state
  LeaseKind kind = LeaseKind::kProcess;
  int port = 0;
  BatchName batch;             // kProcess
  int64_t first_row = 0;       // number of its first row on its edge
  std::string cursor;          // where the last applied part ended
  std::vector<uint64_t> skip;  // per output, rejects last: batches applied already since the cursor
  std::vector<Grant> grants;
  TOWPATH_FIELDS(id, attempt, part, epoch, partitions, kind, port, batch, first_row, cursor, skip,
                 grants)
};

// What one step of a chain did, and the rows it saw.
struct StepCounts {
  int64_t in = 0, out = 0, rejected = 0;
  TOWPATH_FIELDS(in, out, rejected)
};

struct OutBatch {
  int output = 0;  // number of outputs: the rejects
  BatchName batch;
  TOWPATH_FIELDS(output, batch)
};

struct Want {
  int output = 0;
  uint64_t bytes = 0;
  TOWPATH_FIELDS(output, bytes)
};

// "Lease done (or done up to the cursor), these are its outputs": applied whole or not at all.
struct Commit {
  uint64_t lease = 0;
  uint32_t attempt = 0;
  uint32_t part = 0;  // counted over all attempts
  uint64_t epoch = 0;
  uint64_t partitions = ~uint64_t{0};  // as leased
  bool final = true;                   // false: others follow
  std::vector<OutBatch> outputs;
  std::optional<std::string> cursor;  // of a part that the stage named; a source's token
  std::vector<StepCounts> counts;     // per step, since the last commit
  std::vector<std::pair<std::string, uint64_t>> counters;  // of the stage, since the last commit
  std::optional<Want> want;                                // a part that asks for room
  bool ended = false;                                      // a source has no more
  bool idle = false;                                       // a source has nothing now
  uint64_t done = 0, total = 0;                            // a source's progress
  int next_port = -1;                                      // of a stage that chooses its input
  uint64_t busy_us = 0;                                    // time computing since the last commit
  uint64_t state = 0;                                      // bytes that the stage's state takes now
  std::string position;                                    // kPrepare: the sink's
  TOWPATH_FIELDS(lease, attempt, part, epoch, partitions, final, outputs, cursor, counts, counters,
                 want, ended, idle, done, total, next_port, busy_us, state, position)
};

enum class Pill : uint8_t {
  kEnd,    // all is done: sinks close
  kStop,   // the run is given up: sinks remove what is not visible
  kLeave,  // the run may go on later: all stays as it is
};
constexpr Pill last_of(Pill) { return Pill::kLeave; }

// ── worker → coordinator ──

enum class FromWorker : uint8_t { kReady, kCommit, kFailed };
constexpr FromWorker last_of(FromWorker) { return FromWorker::kFailed; }

// It may be leased to: after its start, and as a source that said idle, once there may be something
// to read again.
struct Ready {
  int next_port = -1;
  uint64_t state = 0;  // bytes of the state that it goes on from
  TOWPATH_FIELDS(next_port, state)
};

// The stage threw where nothing can be retried. The run stops and shows this.
struct Failed {
  uint64_t lease = 0;  // 0: none was held
  std::string what;
  TOWPATH_FIELDS(lease, what)
};

// ── coordinator → worker ──

enum class ToWorker : uint8_t { kWork, kRoom, kPill };
constexpr ToWorker last_of(ToWorker) { return ToWorker::kPill; }

struct Room {
  uint64_t lease = 0;
  uint32_t attempt = 0;
  Grant grant;
  TOWPATH_FIELDS(lease, attempt, grant)
};

template <class Kind, class Body>
std::string make_message(Kind kind, const Body& body) {
  Encoder out;
  out.array(2);
  encode(out, kind);
  encode(out, body);
  return out.take();
}
// The kind of a message; `in` then stands at its body.
template <class Kind>
Kind message_kind(Decoder& in) {
  in.array(2);
  return decode<Kind>(in);
}

}  // namespace towpath
