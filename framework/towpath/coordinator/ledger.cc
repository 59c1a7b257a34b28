#include "towpath/coordinator/ledger.h"

#include <algorithm>
#include <utility>

#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr size_t kMaxOpenLeases =
    4096;  // of one stage: what is committed ahead of its turn is bounded
constexpr uint64_t kPrefetchMicros = 2000;
constexpr uint64_t kLongMicros = 10'000;
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
    record.barrier = stage.stateful || stage.role == Role::kSink;
    record.extends =
        stage.role == Role::kStage && std::ranges::all_of(stage.inputs, [&plan](int edge) {
          const int from = plan.edges[static_cast<size_t>(edge)].from_stage;
          return plan.stages[static_cast<size_t>(from)].role == Role::kSource;
        });
  }
  find_components();
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

void Ledger::change(Seat seat, WorkerEvent event) {
  WorkerState& state = seat_of(seat).state;
  const bool was_busy = state == WorkerState::kBusy;
  state = kWorkerLifecycle.after(state, event);
  const int more = int{state == WorkerState::kBusy} - int{was_busy};
  computing_ += more;
  computing_in_[stage_of(seat).component] += more;
}

// Stages that no edge connects never wait for each other.
void Ledger::find_components() {
  for (size_t i = 0; i < stages_.size(); ++i) stages_[i].component = i;
  for (const PlanEdge& edge : plan_.edges) {
    const size_t from = stages_[static_cast<size_t>(edge.from_stage)].component;
    const size_t to = stages_[static_cast<size_t>(edge.to_stage)].component;
    for (StageRecord& stage : stages_) {
      if (stage.component == to) stage.component = from;
    }
  }
  computing_in_.resize(stages_.size());
}

Ledger::LeaseRecord* Ledger::find_lease(StageRecord& stage, uint64_t id) {
  // Leases lie in order of their ids.
  const auto found =
      std::lower_bound(stage.leases.begin(), stage.leases.end(), id,
                       [](const LeaseRecord& lease, uint64_t wanted) { return lease.id < wanted; });
  return found != stage.leases.end() && found->id == id ? &*found : nullptr;
}

// ── events ──

void Ledger::worker_ready(Seat seat, int next_port, uint64_t state) {
  change(seat, WorkerEvent::kReady);
  StageRecord& stage = stage_of(seat);
  take_state(stage, seat_of(seat), state);
  stage.source_idle = false;
  if (stage.next_port < 0) stage.next_port = next_port;
  stage.chooses = stage.chooses || next_port >= 0;
}

void Ledger::worker_gone(Seat seat, bool own_doing) {
  StageRecord& stage = stage_of(seat);
  SeatRecord& place = seat_of(seat);
  if (own_doing && !place.leases.empty()) ++find_lease(stage, place.leases.front())->deaths;
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
  change(seat, WorkerEvent::kExit);
}

void Ledger::worker_restarted(Seat seat) { change(seat, WorkerEvent::kRestart); }

void Ledger::worker_pilled(Seat seat) { change(seat, WorkerEvent::kPill); }

// ── leases ──

Ledger::LeaseRecord& Ledger::new_lease(StageRecord& stage, LeaseKind kind, Sequence sequence,
                                       int port) {
  LeaseRecord& lease = stage.leases.emplace_back();
  lease.id = next_lease_++;
  lease.kind = kind;
  lease.sequence = sequence;
  lease.port = port;
  if (kind == LeaseKind::kProcess || kind == LeaseKind::kFinish) {
    stage.latest_source = std::max(stage.latest_source, sequence.source);
  }
  lease.applied.resize(stage.outputs.size());
  lease.made.resize(stage.outputs.size());
  lease.largest.resize(stage.outputs.size());
  return lease;
}

Ledger::LeaseRecord* Ledger::returned_lease(StageRecord& stage) {
  if (stage.returned == 0) return nullptr;
  for (LeaseRecord& lease : stage.leases) {
    if (lease.state == LeaseState::kReturned) return &lease;
  }
  throw Bug("a returned lease is among its stage's leases");
}

// Whether there is room for what one lease more may put out in messages, which ask for none; and,
// unless it will be the lowest, for a usual block: it must not take what the lowest counts on.
bool Ledger::can_open(const StageRecord& stage) const {
  const bool lowest = stage.leases.empty();
  if (stage.leases.size() >= kMaxOpenLeases) return false;
  for (size_t number = 0; number + 1 < stage.outputs.size(); ++number) {
    const OutputRecord& output = stage.outputs[number];
    if (!output.edges.empty() && !has_room(output, lowest ? 0 : output.usual_bytes, lowest)) {
      return false;
    }
  }
  return true;
}

bool Ledger::can_read(const StageRecord& source) const {
  return reads_ && !source.source_ended && !source.source_idle &&
         !is_barred(source, {source.plan->id, source.next_read, 0});
}

bool Ledger::has_work(const StageRecord& stage) const {
  if (stage.returned > 0) return true;
  if (!can_open(stage)) return false;
  if (stage.plan->role == Role::kSource) return can_read(stage);
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
    if (!can_read(stage)) return false;
    hand_out(seat, new_lease(stage, LeaseKind::kRead, {stage.plan->id, stage.next_read++, 0}, 0));
    return true;
  }
  if (const std::optional<size_t> input = pick_input(stage)) {
    EdgeRecord& edge = input_edge(stage, *input);
    const bool continues = continues_read(stage, edge.queue.front().sequence);
    LeaseRecord& lease =
        new_lease(stage, LeaseKind::kProcess, edge.queue.front().sequence, port_of(stage, *input));
    lease.input = std::move(edge.queue.front());
    lease.from_input = *input;
    lease.first_row = lease.input->first_row;
    lease.continues_read = continues;
    edge.next_taken = lease.sequence.number + 1;
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
  // A long one would be bound to a busy worker while a sibling may soon be idle.
  if (seat.us_per_lease > kLongMicros) return 1;
  return std::clamp<size_t>(kPrefetchMicros / seat.us_per_lease + 1, 2, kMaxAhead);
}

void Ledger::answer(std::vector<Work>& work, std::vector<GrantedRoom>& rooms) {
  publish_on();
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
  return std::all_of(stages_.begin(), stages_.end(), [](const StageRecord& stage) {
    // A sink that nothing reaches may not even be open yet.
    return stage.ended &&
           (stage.plan->role != Role::kSink || stage.seats.front().state == WorkerState::kIdle);
  });
}

std::optional<Ledger::Stall> Ledger::stall() const {
  if (!rejects_.empty() || (cut_ && cut_->phase != CutPhase::kDraining)) return std::nullopt;
  // Per component: may still go on by itself, is not at its end, waits.
  std::vector<bool> moves(stages_.size()), open(stages_.size());
  for (const StageRecord& stage : stages_) {
    if (stage.ended) continue;
    open[stage.component] = true;
    if (stage.source_idle) moves[stage.component] = true;
    for (const SeatRecord& seat : stage.seats) {
      if (seat.state == WorkerState::kStarting || seat.state == WorkerState::kGone) {
        moves[stage.component] = true;
      }
    }
  }
  if (cut_) {  // what is done up to the cut waits for the others
    std::vector<bool> drains(stages_.size());
    for (const StageRecord& stage : stages_) {
      if (!is_done_to_cut(stage)) drains[stage.component] = true;
    }
    for (size_t i = 0; i < stages_.size(); ++i) moves[i] = moves[i] || !drains[i];
  }
  for (size_t component = 0; component < stages_.size(); ++component) {
    if (!open[component] || moves[component] || computing_in_[component] > 0) continue;
    if (waits_for_core(component)) continue;
    Stall stall;
    stall.component = component;
    for (const StageRecord& stage : stages_) {
      if (stage.component != component) continue;
      const auto waits = std::ranges::find_if(stage.leases, [](const LeaseRecord& lease) {
        return lease.state == LeaseState::kWaiting;
      });
      if (waits == stage.leases.end()) continue;
      stall.waiting += format("\n  stage \"{}\" waits for {} bytes of room", stage.plan->name,
                              waits->want->bytes);
    }
    return stall;
  }
  return std::nullopt;
}

// All cores compute for other parts of the graph, and one of them would have it go on.
bool Ledger::waits_for_core(size_t component) const {
  if (computing_ < plan_.cores) return false;
  return std::ranges::any_of(stages_, [&](const StageRecord& stage) {
    if (stage.component != component || stage.ended) return false;
    const bool idle = std::ranges::any_of(
        stage.seats, [](const SeatRecord& seat) { return seat.state == WorkerState::kIdle; });
    if (idle && has_work(stage)) return true;
    return std::ranges::any_of(stage.leases, [&](const LeaseRecord& lease) {
      return lease.state == LeaseState::kWaiting &&
             has_room(stage.outputs[static_cast<size_t>(lease.want->output)], lease.want->bytes,
                      is_lowest(stage, lease));
    });
  });
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
  Held held{lease.id, lease.kind, lease.deaths, 0, 0, {}};
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
