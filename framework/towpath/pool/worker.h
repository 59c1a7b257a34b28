#pragma once
#include <string>

#include "towpath/channel/connection.h"
#include "towpath/pool/slate.h"
#include "towpath/pool/task.h"
#include "towpath/process/code_address.h"

// A worker's process: takes shipments of tasks from its pool, runs them one after another, writes
// their results. What pool and worker say to each other:
//
//   pool ── define (number, code) ──────────────────▶ worker   before the first task of that code
//   pool ── shipment (slot, code, count, arguments) ▶ worker
//   pool ── large (descriptor) ─────────────────────▶ worker   one of these, in memory of its own
//   pool ── sent (how many shipments) ──────────────▶ worker   when it is silent: was one lost?
//   pool ── pill ───────────────────────────────────▶ worker   finish and exit
//   pool ◀── ready, or failed (RemoteTrace) ───────── worker   after the initializer
//   pool ◀── results (ResultsHead, outcomes) ──────── worker
//
// An outcome is a result, or a RemoteTrace; a message has outcomes of one kind.

namespace towpath::pools {

enum class ToWorker : uint8_t { kDefine, kShipment, kPill, kSent };

// Known by being an array: the others begin with a number.
struct LargeMessage {
  Descriptor memory;  // all of it is the message
  TOWPATH_FIELDS(memory)
};

struct Definition {
  uint32_t number = 0;
  CodeAddress function;
  CodeAddress thunk;
  TOWPATH_FIELDS(number, function, thunk)
};

// The arguments of `count` calls follow.
struct ShipmentHead {
  uint32_t number = 0;  // of this worker's shipments, from 0, one after another
  uint32_t slot = 0;
  uint32_t code = 0;
  uint32_t count = 0;
  bool timed = false;  // stamp each task: it has a deadline
  TOWPATH_FIELDS(number, slot, code, count, timed)
};

struct WorkerSettings {
  bool has_initializer = false;
  CodeAddress initializer;
  CodeAddress initializer_thunk;  // of a Call
  std::string initializer_arguments;
  bool reports_memory = false;
  TOWPATH_FIELDS(has_initializer, initializer, initializer_thunk, initializer_arguments,
                 reports_memory)
};

// The target of a worker's Process. Returns after the pill, or when the pool is gone.
void work(Connection pool, Descriptor slate, const WorkerSettings& settings);

}  // namespace towpath::pools
