#include "towpath/coordinator/ledger.h"

#include <algorithm>
#include <utility>

#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr size_t kMaxOpenLeases =
    4096;  // of one stage: what is committed ahead of its turn is bounded
constexpr uint64_t kPrefetchMicros = 2000;
constexpr size_t kMaxAhead = 32;

}  // namespace

Ledger::Ledger(const Plan& plan, Arena& arena) : plan_(plan), arena_(arena) {
  edges_.resize(plan.edges.size());
  for (const PlanEdge& edge : plan.edges) edges_[static_cast<size_t>(edge.id)].plan = &edge;
  stages_.resize(plan.stages.size());
  for (const PlanStage& stage : plan.stages) {
    StageRecord& record = stages_[static_cast<size_t>(stage.id)];
    record.plan = &stage;
    record.seats.resize(static_cast<size_t>(stage.workers));
    for (const PlanOutput& output : stage.outputs) {
      OutputRecord out;
      out.edges = output.edges;
      record.outputs.push_back(std::move(out));
    }
    record.outputs.emplace_back();  // rejects
    record.finished.resize(static_cast<size_t>(ports(record)));
    record.counts.steps.resize(stage.steps.size());
  }
}

int Ledger::port_of(const StageRecord& stage, size_t input) const {
  return input_edge(stage, input).plan->to_port;
}

int Ledger::ports(const StageRecord& stage) const {
  int count = 0;
  for (size_t input = 0; input < stage.plan->inputs.size(); ++input) {
    count = std::max(count, port_of(stage, input) + 1);
  }
  return count;
}

void Ledger::change(SeatRecord& seat, WorkerEvent event) {
  if (seat.state == WorkerState::kBusy) --computing_;
  seat.state = kWorkerLifecycle.after(seat.state, event);
  if (seat.state == WorkerState::kBusy) ++computing_;
}

Ledger::LeaseRecord* Ledger::find_lease(StageRecord& stage, uint64_t id) {
  // Leases lie in order of their ids.
  const auto found =
      std::lower_bound(stage.leases.begin(), stage.leases.end(), id,
                       [](const LeaseRecord& lease, uint64_t wanted) { return lease.id < wanted; });
  return found != stage.leases.end() && found->id == id ? &*found : nullptr;
}

// ── events ──

void Ledger::worker_ready(Seat seat, int next_port) {
  change(seat_of(seat), WorkerEvent::kReady);
  if (stage_of(seat).next_port < 0) stage_of(seat).next_port = next_port;
}

void Ledger::worker_gone(Seat seat) {
  StageRecord& stage = stage_of(seat);
  SeatRecord& place = seat_of(seat);
  for (const uint64_t id : std::exchange(place.leases, {})) {
    LeaseRecord& lease = *find_lease(stage, id);
    lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kDeath);
    ++stage.returned;
    for (const Grant& grant : std::exchange(lease.grants, {})) {
      give_back(stage.outputs[static_cast<size_t>(grant.output)], grant.block);
    }
    lease.want.reset();
    lease.wants_more = false;
    lease.seat = -1;
    ++lease.attempt;
  }
  take_state(stage, place, 0);
  work_.erase(seat);  // leased, but not sent
  std::erase_if(rooms_, [seat](const GrantedRoom& room) { return room.seat == seat; });
  change(place, WorkerEvent::kExit);
}

void Ledger::worker_restarted(Seat seat) { change(seat_of(seat), WorkerEvent::kRestart); }

void Ledger::worker_pilled(Seat seat) { change(seat_of(seat), WorkerEvent::kPill); }

bool Ledger::commit(Seat seat, Commit&& commit) {
  StageRecord& stage = stage_of(seat);
  SeatRecord& place = seat_of(seat);
  if (place.leases.empty() || place.leases.front() != commit.lease) return false;
  LeaseRecord& lease = *find_lease(stage, commit.lease);
  if (lease.attempt != commit.attempt) return false;
  if (commit.part != lease.parts) {
    throw Invalid(format("part {} of lease {} was committed, and part {} is due", commit.part,
                         lease.id, lease.parts));
  }
  if (commit.partitions != owned_by(stage)) {
    throw Invalid(
        format("lease {} was committed for other partitions than it was given", lease.id));
  }
  if (lease.state == LeaseState::kWaiting) {
    // Room granted ahead reached the worker when it had just asked: it goes on already.
    lease.want.reset();
    lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kRoom);
    change(place, WorkerEvent::kRoom);
  }
  apply_outputs(stage, lease, std::move(commit.outputs));
  StageCounts& counts = stage.counts;
  for (size_t step = 0; step < commit.counts.size() && step < counts.steps.size(); ++step) {
    counts.steps[step].in += commit.counts[step].in;
    counts.steps[step].out += commit.counts[step].out;
    counts.steps[step].rejected += commit.counts[step].rejected;
  }
  for (const auto& [name, amount] : commit.counters) counts.counters[name] += amount;
  counts.busy_us += commit.busy_us;
  take_state(stage, place, commit.state);
  if (commit.final) {
    close_lease(stage, lease, place, commit);
  } else {
    ++lease.parts;
    if (commit.cursor) {
      lease.cursor = *commit.cursor;
      std::fill(lease.applied.begin(), lease.applied.end(), 0);
    }
    lease.wants_more = true;
    if (commit.want) {
      if (commit.want->output < 0 ||
          static_cast<size_t>(commit.want->output) >= stage.outputs.size()) {
        throw Invalid("a worker wants room on an output that does not exist");
      }
      lease.want = commit.want;
      lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kWant);
      change(place, WorkerEvent::kWant);
    }
  }
  take_turns(stage);
  end_if_done(stage);
  return true;
}

void Ledger::apply_outputs(StageRecord& stage, LeaseRecord& lease,
                           std::vector<OutBatch>&& outputs) {
  for (OutBatch& out : outputs) {
    if (out.output < 0 || static_cast<size_t>(out.output) >= stage.outputs.size()) {
      throw Invalid("a worker committed to an output that does not exist");
    }
    const size_t number = static_cast<size_t>(out.output);
    OutputRecord& output = stage.outputs[number];
    if (out.batch.blocks.empty()) {
      charge(output, charge_of(out.batch));
    } else {
      const Block& block = out.batch.blocks.front();
      const auto granted =
          std::find_if(lease.grants.begin(), lease.grants.end(), [&](const Grant& grant) {
            return grant.output == out.output && grant.block.offset == block.offset &&
                   grant.block.size == block.size;
          });
      if (granted == lease.grants.end() || out.batch.size > block.size) {
        throw Invalid("a worker committed a block that it was not granted");
      }
      lease.grants.erase(granted);
      output.usual_bytes = std::max<uint64_t>(output.usual_bytes, block.size);
    }
    ++lease.applied[number];
    ++lease.made[number];
    lease.outputs.push_back(std::move(out));
  }
}

void Ledger::close_lease(StageRecord& stage, LeaseRecord& lease, SeatRecord& seat,
                         const Commit& commit) {
  for (const Grant& grant : std::exchange(lease.grants, {})) {
    give_back(stage.outputs[static_cast<size_t>(grant.output)], grant.block);
  }
  // What a lease usually makes: rises at once, falls slowly.
  for (size_t number = 0; number + 1 < stage.outputs.size(); ++number) {
    OutputRecord& output = stage.outputs[number];
    uint64_t largest = 0;
    for (const OutBatch& out : lease.outputs) {
      if (out.output == static_cast<int>(number) && !out.batch.blocks.empty()) {
        largest = std::max(largest, out.batch.size);
      }
    }
    if (lease.made[number] == 0) continue;
    output.usual_bytes = std::max(largest, output.usual_bytes - output.usual_bytes / 8);
    if (output.usual_bytes < kInlineBytes) output.usual_bytes = 0;
    output.usual_count = std::max(lease.made[number], output.usual_count - 1);
  }
  if (lease.input) {
    EdgeRecord& edge = input_edge(stage, lease.from_input);
    drop_batch(lease.input->name);
    edge.used -= lease.input->charge;
    edge.taken += lease.input->name.rows;
    edge.state = kEdgeLifecycle.after(edge.state, EdgeEvent::kTake);
    lease.input.reset();
  }
  stage.next_port = commit.next_port;
  switch (lease.kind) {
    case LeaseKind::kRead:
      stage.token = commit.cursor;
      stage.source_ended = stage.source_ended || commit.ended;
      stage.counts.done = commit.done;
      stage.counts.total = commit.total;
      break;
    case LeaseKind::kFinish:
      stage.finished[static_cast<size_t>(lease.port)] = true;
      break;
    case LeaseKind::kPrepare:
      stage.prepared = true;
      break;
    case LeaseKind::kCommit:
      stage.committed = true;
      break;
    case LeaseKind::kProcess:
      break;
  }
  ++stage.counts.leases;
  seat.us_per_lease =
      seat.us_per_lease == 0 ? commit.busy_us : (seat.us_per_lease * 7 + commit.busy_us) / 8;
  lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kCommit);
  lease.seat = -1;
  seat.leases.pop_front();
  if (seat.leases.empty()) change(seat, WorkerEvent::kCommitLast);
}

// ── leases ──

Ledger::LeaseRecord& Ledger::new_lease(StageRecord& stage, LeaseKind kind, Sequence sequence,
                                       int port) {
  LeaseRecord& lease = stage.leases.emplace_back();
  lease.id = next_lease_++;
  lease.kind = kind;
  lease.sequence = sequence;
  lease.port = port;
  lease.applied.resize(stage.outputs.size());
  lease.made.resize(stage.outputs.size());
  return lease;
}

Ledger::LeaseRecord* Ledger::returned_lease(StageRecord& stage) {
  if (stage.returned == 0) return nullptr;
  for (LeaseRecord& lease : stage.leases) {
    if (lease.state == LeaseState::kReturned) return &lease;
  }
  throw Bug("a returned lease is among its stage's leases");
}

// Room for a lease that is not the lowest: it must not take what the lowest counts on.
bool Ledger::can_open(const StageRecord& stage) const {
  if (stage.leases.empty()) return true;
  if (stage.leases.size() >= kMaxOpenLeases) return false;
  for (size_t number = 0; number + 1 < stage.outputs.size(); ++number) {
    const OutputRecord& output = stage.outputs[number];
    if (!output.edges.empty() &&
        !has_room(output, std::max(output.usual_bytes, kInlineBytes), false)) {
      return false;
    }
  }
  return true;
}

bool Ledger::has_work(StageRecord& stage) {
  if (returned_lease(stage) != nullptr) return true;
  if (!can_open(stage)) return false;
  if (stage.plan->role == Role::kSource) return !stage.source_ended;
  return pick_input(stage) || port_to_finish(stage);
}

bool Ledger::lease_one(Seat seat) {
  StageRecord& stage = stage_of(seat);
  const SeatRecord& place = seat_of(seat);
  if (LeaseRecord* lease = returned_lease(stage)) {
    if (!place.leases.empty()) return false;
    lease->state = kLeaseLifecycle.after(lease->state, LeaseEvent::kGrant);
    --stage.returned;
    hand_out(seat, *lease);
    return true;
  }
  if (!can_open(stage)) return false;
  if (stage.plan->role == Role::kSource) {
    if (stage.source_ended) return false;
    hand_out(seat, new_lease(stage, LeaseKind::kRead, {stage.plan->id, stage.next_read++}, 0));
    return true;
  }
  if (const std::optional<size_t> input = pick_input(stage)) {
    EdgeRecord& edge = input_edge(stage, *input);
    LeaseRecord& lease =
        new_lease(stage, LeaseKind::kProcess, edge.queue.front().sequence, port_of(stage, *input));
    lease.input = std::move(edge.queue.front());
    lease.from_input = *input;
    edge.queue.pop_front();
    hand_out(seat, lease);
    return true;
  }
  if (const std::optional<int> port = port_to_finish(stage)) {
    hand_out(seat, new_lease(stage, LeaseKind::kFinish,
                             Sequence::end_of(stage.plan->sources.back()), *port));
    return true;
  }
  return false;
}

size_t Ledger::depth_for(const StageRecord& stage, const SeatRecord& seat) const {
  if (stage.next_port >= 0 || seat.us_per_lease == 0) return 1;
  return std::clamp<size_t>(kPrefetchMicros / seat.us_per_lease + 1, 2, kMaxAhead);
}

void Ledger::answer(std::vector<Work>& work, std::vector<GrantedRoom>& rooms) {
  // Most downstream first: it frees what the others wait for.
  bool starved = false;
  for (size_t id = stages_.size(); id-- > 0;) {
    StageRecord& stage = stages_[id];
    grant_rooms(stage);  // also to a sink that has read all: its commit may refuse rows
    if (stage.ended) continue;
    bool idle_left = false;  // what an idle sibling could not get, nobody prefetches
    const auto seat_at = [id](size_t number) {
      return Seat{static_cast<int>(id), static_cast<int>(number)};
    };
    for (size_t number = 0; number < stage.seats.size(); ++number) {
      if (stage.seats[number].state != WorkerState::kIdle) continue;
      if (computing_ >= plan_.cores) {
        // The core that frees next is for this one: nobody upstream prefetches past it.
        starved = starved || has_work(stage);
        break;
      }
      if (!lease_one(seat_at(number))) {
        idle_left = true;
        break;
      }
    }
    if (idle_left || starved) continue;
    for (size_t number = 0; number < stage.seats.size(); ++number) {
      SeatRecord& seat = stage.seats[number];
      while (seat.state == WorkerState::kBusy && seat.leases.size() < depth_for(stage, seat)) {
        if (!lease_one(seat_at(number))) break;
      }
    }
  }
  work.clear();
  for (auto& [seat, leases] : std::exchange(work_, {})) work.push_back({seat, std::move(leases)});
  rooms = std::exchange(rooms_, {});
}

// ── rejects ──

std::optional<Ledger::RejectBatch> Ledger::next_reject() {
  if (rejects_.empty()) return std::nullopt;
  RejectBatch reject = std::move(rejects_.front());
  rejects_.pop_front();
  return reject;
}

void Ledger::reject_taken(const RejectBatch& reject) {
  OutputRecord& output = stages_[static_cast<size_t>(reject.stage)].outputs.back();
  discharge(output, charge_of(reject.batch));
  drop_batch(reject.batch);
}

// ── the end ──

bool Ledger::all_ended() const {
  return std::all_of(stages_.begin(), stages_.end(),
                     [](const StageRecord& stage) { return stage.ended; });
}

void Ledger::begin_prepare() {
  for (StageRecord& stage : stages_) {
    if (stage.plan->role != Role::kSink) continue;
    const Seat seat{stage.plan->id, 0};
    hand_out(seat, new_lease(stage, LeaseKind::kPrepare, Sequence::never(), 0));
  }
}

void Ledger::begin_commit() {
  for (StageRecord& stage : stages_) {
    if (stage.plan->role != Role::kSink) continue;
    const Seat seat{stage.plan->id, 0};
    hand_out(seat, new_lease(stage, LeaseKind::kCommit, Sequence::never(), 0));
  }
}

bool Ledger::all_prepared() const {
  return std::all_of(stages_.begin(), stages_.end(), [](const StageRecord& stage) {
    return stage.plan->role != Role::kSink || stage.prepared;
  });
}

bool Ledger::all_committed() const {
  return std::all_of(stages_.begin(), stages_.end(), [](const StageRecord& stage) {
    return stage.plan->role != Role::kSink || stage.committed;
  });
}

std::optional<Ledger::Stall> Ledger::stall() const {
  if (computing_ > 0 || all_ended() || !rejects_.empty()) return std::nullopt;
  Stall stall;
  for (const StageRecord& stage : stages_) {
    for (const SeatRecord& seat : stage.seats) {
      if (seat.state == WorkerState::kStarting || seat.state == WorkerState::kGone)
        return std::nullopt;
    }
    for (const LeaseRecord& lease : stage.leases) {
      if (lease.state != LeaseState::kWaiting) continue;
      stall.waiting += format("\n  stage \"{}\" waits for {} bytes of room", stage.plan->name,
                              lease.want->bytes);
      break;
    }
  }
  return stall;
}

// ── counts ──

WorkerState Ledger::state(Seat seat) const {
  return stages_[static_cast<size_t>(seat.stage)].seats[static_cast<size_t>(seat.number)].state;
}

int Ledger::busy_workers(int stage) const {
  const auto& seats = stages_[static_cast<size_t>(stage)].seats;
  return static_cast<int>(std::count_if(seats.begin(), seats.end(), [](const SeatRecord& seat) {
    return seat.state == WorkerState::kBusy;
  }));
}

Ledger::EdgeCounts Ledger::edge_counts(int number) const {
  const EdgeRecord& edge = edges_[static_cast<size_t>(number)];
  return {edge.queue.size(), edge.used, edge.released, edge.taken};
}

std::optional<Ledger::Held> Ledger::held_by(Seat seat) {
  StageRecord& stage = stage_of(seat);
  const SeatRecord& place = seat_of(seat);
  if (place.leases.empty()) return std::nullopt;
  const LeaseRecord& lease = *find_lease(stage, place.leases.front());
  Held held{lease.id, lease.kind, lease.attempt, 0, 0, {}};
  if (lease.input) {
    held.first_row = lease.input->first_row;
    held.rows = lease.input->name.rows;
    held.batch = lease.input->name;
  }
  return held;
}

void Ledger::check_balance() const {
  for (const EdgeRecord& edge : edges_) {
    const PlanStage& from = plan_.stages[static_cast<size_t>(edge.plan->from_stage)];
    const PlanStage& reader = plan_.stages[static_cast<size_t>(edge.plan->to_stage)];
    expect(
        edge.released == edge.taken && edge.used == 0,
        format("the books balance on the edge {} -> {}: {} rows released, {} taken, {} bytes held",
               from.name, reader.name, edge.released, edge.taken, edge.used));
  }
  expect(blocks_.empty() && arena_.used() == 0,
         format("no block is in use at the end: {} bytes are", arena_.used()));
}

}  // namespace towpath
