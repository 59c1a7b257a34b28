#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "towpath/coordinator/states.h"
#include "towpath/graph/plan.h"
#include "towpath/memory/arena.h"
#include "towpath/worker/protocol.h"

// The coordinator's record of every batch, lease and count: who may have what, in which order, and
// who gets which block of the arena. It does no input or output: events go in, answers come out, so
// that it can be tested and modelled alone.
//
// Order      leases of a stage are granted in the order of its input and their outputs released in
//            that order, whatever order they are committed in. A fan-in takes the lowest (sequence,
//            position in `from`).
// Room       an edge holds at most its share of the arena. The lowest uncommitted lease of a stage
//            has a reserve that the others can't take, and its parts are released at once: so it
//            always goes on.
// State      what stages keep between batches counts against `memory:`; each commit tells it. As
//            states grow, the arena's limit and the edges' shares shrink, down to what edges can't
//            do without; states that need more than the rest end the run.
// Death      what a dead worker held is leased again before anything else, first to last, to a
//            worker that holds nothing; outputs of its parts that were applied stand, and are
//            skipped.
// Cost       an event costs O(stages + workers), whatever lies on the edges; after a death also the
//            open leases of its stage, of which there are at most some thousands.
// Threads    one.

namespace towpath {

// A place in the order of all rows: which source, which of its reads. A flush stands behind the
// last read.
struct Sequence {
  int source = 0;
  uint64_t number = 0;
  auto operator<=>(const Sequence&) const = default;
  static Sequence end_of(int source) { return {source, UINT64_MAX}; }
  static Sequence never() { return {INT32_MAX, UINT64_MAX}; }
};

// A worker's place in a pool; the process in it may change.
struct Seat {
  int stage = 0;
  int number = 0;  // from 0
  auto operator<=>(const Seat&) const = default;
};

class Ledger {
 public:
  Ledger(const Plan& plan, Arena& arena);

  // ── events ──
  // It has started; or it is a source that had nothing to read and may have something now.
  void worker_ready(Seat seat, int next_port);
  // False: the commit was stale, nothing changed. Throws Invalid for one that can't be true (a
  // block not granted, an output that does not exist): the worker is broken and must be killed.
  bool commit(Seat seat, Commit&& commit);
  // The process of this seat has ended; what it held is taken back. `own_doing`: not by a signal
  // from outside, so the lease that it computed is under suspicion.
  void worker_gone(Seat seat, bool own_doing);
  void worker_restarted(Seat seat);
  void worker_pilled(Seat seat);

  // ── answers ──
  struct Work {
    Seat seat;
    std::vector<Lease> leases;
  };
  struct GrantedRoom {
    Seat seat;
    Room room;
  };
  // What to send now. Call after the events at hand are in: the inbox is emptied before it is
  // answered.
  void answer(std::vector<Work>& work, std::vector<GrantedRoom>& rooms);

  // A batch of rejects whose turn has come; the caller reads it, then calls reject_taken().
  struct RejectBatch {
    int stage;
    BatchName batch;
  };
  std::optional<RejectBatch> next_reject();
  void reject_taken(const RejectBatch& reject);

  // All stages have ended, and the sinks are there to be prepared.
  bool all_ended() const;
  void begin_prepare();
  bool all_prepared() const;
  void begin_commit();
  bool all_committed() const;

  // In a part of the graph that hangs together nothing runs, nothing can be granted, and it is not
  // the end. None: it goes on.
  struct Stall {
    std::string waiting;  // who waits for how much room; empty: nobody does
    size_t component = 0;
  };
  std::optional<Stall> stall() const;
  // In a stall: gives the lowest waiting lease room beyond its edge's share, if the arena has it.
  bool relieve(const Stall& stall);

  // States that have grown past what memory has for them; none: they fit.
  struct Overflow {
    int stage = 0;                  // whose state is the largest
    uint64_t bytes = 0;             // of it, in all members of its pool
    uint64_t states = 0, room = 0;  // of all stages, and what there is for them
  };
  std::optional<Overflow> state_overflow() const;

  // ── what the view and the closing ledger show ──
  struct StageCounts {
    int64_t in = 0, out = 0, rejected = 0, filtered = 0;
    uint64_t leases = 0, bytes = 0, busy_us = 0;
    std::vector<StepCounts> steps;
    std::map<std::string, uint64_t> counters;
    uint64_t done = 0, total = 0;  // a source's progress
    uint64_t state = 0;            // the most that its state was
  };
  const StageCounts& counts(int stage) const { return stages_[static_cast<size_t>(stage)].counts; }
  WorkerState state(Seat seat) const;
  int busy_workers(int stage) const;
  bool ended(int stage) const { return stages_[static_cast<size_t>(stage)].ended; }
  struct EdgeCounts {
    uint64_t queued = 0, used = 0;
    int64_t released = 0, taken = 0;
  };
  EdgeCounts edge_counts(int edge) const;
  const std::optional<std::string>& token(int stage) const {
    return stages_[static_cast<size_t>(stage)].token;
  }
  // The lease a worker was computing: for the message that names its death. Empty: it held none.
  struct Held {
    uint64_t lease = 0;
    LeaseKind kind = LeaseKind::kProcess;
    uint32_t deaths = 0;  // of workers that computed it before, by their own doing
    int64_t first_row = 0, rows = 0;
    BatchName batch;
  };
  std::optional<Held> held_by(Seat seat);
  // Throws Bug unless, on every edge, rows released = rows taken, and no block is in use.
  void check_balance() const;

 private:
  struct EdgeBatch {
    Sequence sequence;
    BatchName name;
    int64_t first_row = 0;
    uint64_t charge = 0;
  };
  struct EdgeRecord {
    const PlanEdge* plan = nullptr;
    EdgeState state = EdgeState::kOpen;
    std::deque<EdgeBatch> queue;  // released, not leased
    uint64_t used = 0;            // bytes: granted, held, queued and leased
    int64_t released = 0, taken = 0;
  };
  struct LeaseRecord {
    uint64_t id = 0;
    LeaseState state = LeaseState::kRunning;
    LeaseKind kind = LeaseKind::kProcess;
    Sequence sequence;
    int port = 0;
    std::optional<EdgeBatch> input;
    size_t from_input = 0;  // which of the stage's inputs it came by
    int seat = -1;
    uint32_t attempt = 1;
    uint32_t parts = 0;   // applied
    uint32_t deaths = 0;  // of workers that computed it, by their own doing
    std::string cursor;
    std::vector<uint64_t> applied;  // per output (and rejects): batches since the cursor
    std::vector<uint64_t> made;     // the same since the lease began
    std::vector<uint64_t> largest;  // bytes of a batch in a block, since the lease began
    bool wants_more = false;        // a part was applied: its next blocks may be granted ahead
    std::vector<Grant> grants;      // blocks that the worker may fill
    std::deque<OutBatch> outputs;   // committed, not released: their turn has not come
    std::optional<Want> want;
  };
  struct SeatRecord {
    WorkerState state = WorkerState::kStarting;
    std::deque<uint64_t> leases;  // first: the one it computes
    uint64_t us_per_lease = 0;    // measured; 0: unknown
    uint64_t state_bytes = 0;     // of the stage's own state
  };
  struct OutputRecord {
    std::vector<int> edges;
    uint64_t usual_bytes = 0;  // of a block, lately; 0: fits in a message
    uint64_t usual_count = 0;  // of blocks per lease; 0: none was seen yet
    uint64_t used = 0;         // bytes of the reject output, which has no edge
  };
  struct StageRecord {
    const PlanStage* plan = nullptr;
    size_t component = 0;  // of the graph, in which all is connected
    std::vector<SeatRecord> seats;
    std::vector<OutputRecord> outputs;  // the last is the rejects
    std::deque<LeaseRecord> leases;     // in order; the front is the lowest that is not closed
    int returned = 0;                   // of them: taken back, to be leased again
    uint64_t next_read = 0;             // sources: number of the next read
    bool source_ended = false, source_idle = false;
    std::optional<std::string> token;
    std::vector<bool> finished;  // per port: its finish is committed
    int next_port = -1;
    bool ended = false;
    bool prepared = false, committed = false;
    StageCounts counts;
  };
  struct BlockUse {
    Block block;
    uint32_t uses = 0;
  };

  StageRecord& stage_of(Seat seat) { return stages_[static_cast<size_t>(seat.stage)]; }
  SeatRecord& seat_of(Seat seat) { return stage_of(seat).seats[static_cast<size_t>(seat.number)]; }
  LeaseRecord* find_lease(StageRecord& stage, uint64_t id);
  EdgeRecord& input_edge(const StageRecord& stage, size_t input) {
    return edges_[static_cast<size_t>(stage.plan->inputs[input])];
  }
  const EdgeRecord& input_edge(const StageRecord& stage, size_t input) const {
    return edges_[static_cast<size_t>(stage.plan->inputs[input])];
  }

  void find_components();
  void change(Seat seat, WorkerEvent event);  // keeps computing_ right
  static uint64_t owned_by(const StageRecord& stage) {
    return stage.plan->steps.front().context.partitions;
  }
  int ports(const StageRecord& stage) const;
  int port_of(const StageRecord& stage, size_t input) const;

  // Room (ledger_room.cc).
  bool has_room(const OutputRecord& output, uint64_t wanted, bool lowest) const;
  std::optional<Block> take_room(OutputRecord& output, uint64_t bytes);
  // What a batch takes of its edge's share: its block, or its image and name where that travels in
  // messages.
  static uint64_t charge_of(const BatchName& batch) {
    constexpr uint64_t kNameBytes = 256;
    return batch.blocks.empty() ? batch.image.size() + kNameBytes : batch.blocks.front().size;
  }
  uint64_t share_of(const EdgeRecord& edge) const;
  void take_state(StageRecord& stage, SeatRecord& seat, uint64_t bytes);
  void charge(OutputRecord& output, uint64_t bytes);
  void discharge(OutputRecord& output, uint64_t bytes);
  void give_back(OutputRecord& output, const Block& block);
  void drop_use(const Block& block);
  void drop_batch(const BatchName& batch);
  void add_grants(StageRecord& stage, LeaseRecord& lease);
  void give_room(StageRecord& stage, LeaseRecord& lease, const Block& block);
  void grant_rooms(StageRecord& stage);
  bool relieve_one(const Stall& stall);
  bool is_lowest(const StageRecord& stage, const LeaseRecord& lease) const {
    return &stage.leases.front() == &lease;
  }

  // Leases.
  bool lease_one(Seat seat);  // one lease more, if there is one to have
  bool has_work(const StageRecord& stage) const;
  bool waits_for_core(size_t component) const;
  LeaseRecord* returned_lease(StageRecord& stage);
  LeaseRecord& new_lease(StageRecord& stage, LeaseKind kind, Sequence sequence, int port);
  void hand_out(Seat seat, LeaseRecord& lease);
  bool can_open(const StageRecord& stage) const;

  // Order (ledger_order.cc).
  void take_turns(StageRecord& stage);
  void release(StageRecord& stage, const LeaseRecord& lease, OutBatch&& out);
  std::optional<size_t> pick_input(const StageRecord& stage) const;
  Sequence floor_of(const StageRecord& stage) const;
  Sequence floor_of_input(const StageRecord& stage, size_t input) const;
  std::optional<int> port_to_finish(const StageRecord& stage) const;
  void end_if_done(StageRecord& stage);

  size_t depth_for(const StageRecord& stage, const SeatRecord& seat) const;
  void check_outputs(const StageRecord& stage, const LeaseRecord& lease,
                     const Commit& commit) const;
  void apply_outputs(StageRecord& stage, LeaseRecord& lease, std::vector<OutBatch>&& outputs);
  void close_lease(StageRecord& stage, LeaseRecord& lease, Seat seat, const Commit& commit);

  const Plan& plan_;
  Arena& arena_;
  std::vector<StageRecord> stages_;
  std::vector<EdgeRecord> edges_;
  std::unordered_map<uint64_t, BlockUse> blocks_;  // committed blocks, by offset
  std::deque<RejectBatch> rejects_;
  std::map<Seat, std::vector<Lease>> work_;
  std::vector<GrantedRoom> rooms_;
  std::vector<uint64_t> in_hand_;  // scratch
  uint64_t next_lease_ = 1;
  int computing_ = 0;              // workers that count toward `cores`
  std::vector<int> computing_in_;  // of them, per component
  uint64_t states_ = 0;            // bytes of all states
};

}  // namespace towpath
