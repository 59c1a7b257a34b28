#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "towpath/memory/arena_view.h"
#include "towpath/stage/outputs.h"
#include "towpath/worker/protocol.h"
#include "towpath/worker/worker.h"

namespace towpath {

// Puts the batches of the lease in work into the blocks it was granted, and gathers its commits.
class Committer final : public BatchConsumer {
 public:
  // What the committer asks of the worker's loop.
  class Link {
   public:
    virtual ~Link() = default;
    virtual void send(const std::vector<Commit>& commits) = 0;
    // Room messages that came meanwhile go to Committer::add_room(). Waits for one message at
    // least, if `wait`.
    virtual void take_messages(bool wait) = 0;
    // Adds the counts and counters since the last call.
    virtual void count(Commit& commit) = 0;
    virtual uint64_t state_bytes() = 0;  // of the stage, now
  };
  Committer(ArenaView& arena, std::vector<WorkerOutput> outputs, Link& link);

  void begin(const Lease& lease);
  void add_room(const Room& room);
  void consume(int number, BatchBuilder& batch) override;
  // Every commit tells how large the stage's state is. A long lease into a state puts nothing out,
  // but its parts tell how that has grown, and hear whether the run goes on.
  void part(std::string_view cursor) override;
  // The commit that ends the lease; the caller adds what only it knows and gives it to queue().
  Commit finish();
  void queue(Commit commit);
  void send_queued();
  bool has_queued() const { return !queued_.empty(); }

 private:
  Block take_block(int output, uint64_t bytes);
  Commit make_part();
  bool state_grew() const;

  ArenaView& arena_;
  const std::vector<WorkerOutput> outputs_;
  Link& link_;
  uint64_t lease_ = 0;
  uint32_t attempt_ = 0, part_ = 0;
  uint64_t epoch_ = 0, partitions_owned_ = 0;
  std::vector<uint64_t> skip_;
  std::vector<Grant> grants_;
  uint64_t inline_bytes_ = 0;  // put into messages since a block was last taken
  std::vector<OutBatch> filled_;
  std::vector<Commit> queued_;
  std::vector<uint8_t> partitions_;
  uint64_t told_state_ = 0;
};

}  // namespace towpath
