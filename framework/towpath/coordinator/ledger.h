#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "towpath/coordinator/epoch.h"
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
// Epochs     a cut is a place in the order, for each source its own. Stages with state and sinks
//            take nothing behind it until they have saved; the others go on. When all that lies
//            before it is done, saved and recorded, the sinks make it visible.
// Death      what a dead worker held is leased again before anything else, first to last, to a
//            worker that holds nothing; outputs of its parts that were applied stand, and are
//            skipped.
// Cost       an event costs O(stages + workers), whatever lies on the edges; after a death also the
//            open leases of its stage, of which there are at most some thousands.
// Threads    one.

namespace towpath {

// A worker's place in a pool; the process in it may change.
struct Seat {
  int stage = 0;
  int number = 0;  // from 0
  auto operator<=>(const Seat&) const = default;
};

class Ledger {
 public:
  Ledger(const Plan& plan, Arena& arena);
  // Goes on from an epoch of the same plan, whose batches are images. Before any other call.
  void restore(EpochRecord&& epoch);

  // ── events ──
  // It has started; or it is a source that had nothing to read and may have something now.
  void worker_ready(Seat seat, int next_port, uint64_t state = 0);
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
    int stage = 0;
    BatchName batch;
    bool known = false;  // from before a death: its rows are in the reject file
  };
  std::optional<RejectBatch> next_reject();
  void reject_taken(const RejectBatch& reject);

  // All stages have ended, and the sinks are there to be prepared.
  bool all_ended() const;

  // Sources are given no leases any more.
  void stop_reading() { reads_ = false; }

  // ── epochs, in this order (ledger_epoch.cc) ──
  void begin_cut();
  bool cut_drained() const;  // all before the cut is done, and its rejects are taken
  // It can't be drained where the graph stands now: a branch has run ahead of the one that a
  // stage reads first, and waits for room.
  void revoke_cut();
  void begin_save(uint64_t epoch);
  bool all_saved() const;
  // To be recorded. Blocks of the batches that it names stay until begin_commit().
  EpochRecord epoch_record() const;
  // It is recorded. Whether sinks make it visible now, or with a later one.
  void begin_commit(bool visible);
  // Sinks that have applied what was prepared: what rows they refused is known. Each makes it
  // visible when it is told to.
  std::vector<int> applied_sinks() const;
  void make_visible(int sink);
  bool all_committed() const;
  void end_epoch();
  // Behind restore(): what is recorded may not be visible yet. Sinks get nothing else before.
  void commit_again(uint64_t epoch);
  bool in_epoch() const { return cut_.has_value(); }

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
    uint64_t next_taken = 0;              // of a source: the number behind the last that was leased
    std::optional<int64_t> cut_released;  // before the cut, once something behind it is released
  };
  // What a lease made up to one of its cursors, or to its end. Goes on, and into the books, when
  // its turn comes.
  struct PartRecord {
    std::deque<OutBatch> outputs;
    std::vector<StepCounts> counts;
    std::vector<std::pair<std::string, uint64_t>> counters;
    std::string cursor;
    bool complete = false;
  };
  struct LeaseRecord {
    uint64_t id = 0;
    LeaseState state = LeaseState::kRunning;
    LeaseKind kind = LeaseKind::kProcess;
    Sequence sequence;
    int port = 0;
    std::optional<EdgeBatch> input;
    size_t from_input = 0;  // which of the stage's inputs it came by
    int64_t first_row = 0;  // of it
    bool has_cursor = false;
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
    std::deque<PartRecord> ready;   // committed, and their turn has not come
    uint64_t closed = 0;            // parts, up to a cursor each, whose turn has been
    std::string turned;             // the cursor behind them
    bool begun = false;             // of the part behind them something was released
    bool continues_read = false;    // of a stage that extends: not the first batch of its read
    uint64_t epoch = 0;             // of kSave and what follows it
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
  // Behind one read of a source.
  struct ReadPoint {
    std::string token;
    StageCounts counts;
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
    int latest_source = -1;       // that it was leased something of
    bool cut_behind_end = false;  // a source: so was the last cut, and will the next be
    bool barrier = false;         // a stage with state, or a sink
    bool saved = false;           // in this epoch
    enum class Publishing : uint8_t { kNot, kApplying, kApplied, kCommitting, kCommitted };
    Publishing publishing = Publishing::kNot;  // a sink: this epoch
    bool applied = false;                      // in the epoch that it was restored from
    bool refusals_known = false;               // what its apply refuses is booked already
    std::string saved_as;
    std::map<uint64_t, ReadPoint> reads;    // sources: what a cut may need
    uint64_t needed_from = 0;               // no cut falls before this read any more
    std::optional<StageCounts> cut_counts;  // before the cut, once something behind it is booked
    std::vector<EpochRecord::OpenLease> cut_leases;
    uint64_t cut_lease = 0;  // id of that which stands at the cut; 0: none
    bool extends = false;    // reads what sources name: its parts are places in the order
    // Of one that does: the last read that a lease was closed of, and its parts so far. A read may
    // come in several batches.
    Sequence parts_of;
    bool chooses = false;  // its input
    Sequence last_out;     // of one that chooses
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
  bool can_read(const StageRecord& source) const;

  // Order (ledger_order.cc).
  void take_turns(StageRecord& stage);
  void take_turn(StageRecord& stage, LeaseRecord& lease);
  static uint64_t parts_before(const StageRecord& stage, const LeaseRecord& lease);
  static Sequence beginning_of(const StageRecord& stage, const LeaseRecord& lease);
  // What stands there is no first batch of its read.
  static bool continues_read(const StageRecord& stage, const Sequence& sequence);
  // Where what the lease puts out next stands.
  static Sequence place_of(const StageRecord& stage, const LeaseRecord& lease);
  void release(StageRecord& stage, const Sequence& sequence, OutBatch&& out, bool known);
  static void book(StageCounts& counts, PartRecord&& part);
  std::optional<size_t> pick_input(const StageRecord& stage) const;
  Sequence floor_of(const StageRecord& stage) const;
  Sequence floor_of_input(const StageRecord& stage, size_t input) const;
  std::optional<int> port_to_finish(const StageRecord& stage) const;
  void end_if_done(StageRecord& stage);

  // Epochs (ledger_epoch.cc).
  enum class CutPhase { kDraining, kSaving, kCommitting };
  struct Cut {
    CutPhase phase = CutPhase::kDraining;
    uint64_t epoch = 0;            // from kSaving on
    std::vector<Sequence> places;  // by stage: of each source
    EpochRecord record;            // but for what is being saved
  };
  bool is_draining() const { return cut_ && cut_->phase == CutPhase::kDraining; }
  bool is_behind_cut(const Sequence& sequence) const {
    return cut_ && (sequence == Sequence::never() ||
                    sequence >= cut_->places[static_cast<size_t>(sequence.source)]);
  }
  bool is_behind_cut_at(const StageRecord& stage, const Sequence& sequence) const;
  bool is_barred(const StageRecord& stage, const Sequence& sequence) const;
  // A stage without state may leave what it has not taken yet to whoever goes on.
  bool is_done_to_cut(const StageRecord& stage) const {
    if (stage.ended || (!stage.barrier && stage.leases.empty())) return true;
    return is_behind_cut_at(stage, floor_of(stage));
  }
  bool is_from(const StageRecord& stage, const LeaseRecord& lease, const EdgeRecord& edge) const {
    return lease.kind == LeaseKind::kProcess && &input_edge(stage, lease.from_input) == &edge;
  }
  void drop_input(StageRecord& stage, LeaseRecord& lease);
  // A cut may fall at one of its cursors, or where it begins, while its turn has not come: what
  // lies behind needs its input then.
  static bool keeps_input(const StageRecord& stage, const LeaseRecord& lease) {
    return stage.extends && (lease.has_cursor || lease.continues_read);
  }
  void keep_input_behind_cut(StageRecord& stage, const LeaseRecord& lease);
  Sequence place_for_cut(const StageRecord& source) const;
  Sequence passed_by_reader(const StageRecord& source, const EdgeRecord& edge) const;
  void note_cut_rows(EdgeRecord& edge);
  void note_cut_lease(StageRecord& stage, const LeaseRecord& lease);
  void add_cut_lease(StageRecord& stage, const LeaseRecord& lease, const std::string& cursor,
                     uint64_t closed);
  void forget_reads(StageRecord& source);
  EpochRecord::StageAt stage_at(const StageRecord& stage) const;
  EpochRecord::EdgeAt edge_at(const EdgeRecord& edge);
  void pin(const BatchName& batch);
  void hand_out_for_epoch(StageRecord& stage, LeaseKind kind);
  void publish_on();

  size_t depth_for(const StageRecord& stage, const SeatRecord& seat) const;
  void check_outputs(const StageRecord& stage, const LeaseRecord& lease,
                     const Commit& commit) const;
  void apply_outputs(StageRecord& stage, LeaseRecord& lease, PartRecord& part,
                     std::vector<OutBatch>&& outputs);
  void close_lease(StageRecord& stage, LeaseRecord& lease, Seat seat, const Commit& commit);

  const Plan& plan_;
  Arena& arena_;
  std::vector<StageRecord> stages_;
  std::vector<EdgeRecord> edges_;
  std::unordered_map<uint64_t, BlockUse> blocks_;  // committed blocks, by offset
  std::deque<RejectBatch> rejects_, rejects_behind_cut_;
  std::optional<Cut> cut_;
  std::map<Seat, std::vector<Lease>> work_;
  std::vector<GrantedRoom> rooms_;
  std::vector<uint64_t> in_hand_;  // scratch
  uint64_t next_lease_ = 1;
  bool reads_ = true;
  int computing_ = 0;              // workers that count toward `cores`
  std::vector<int> computing_in_;  // of them, per component
  uint64_t states_ = 0;            // bytes of all states
};

}  // namespace towpath
