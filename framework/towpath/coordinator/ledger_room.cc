#include <algorithm>
#include <map>
#include <string_view>

#include "towpath/coordinator/ledger.h"

// Room: what an edge may hold, and which block of the arena goes to whom.

namespace towpath {
namespace {

constexpr uint64_t kMaxGrants = 4;  // blocks granted ahead of their use, per output and lease
constexpr uint64_t kReserve = 1536 << 10;   // what the lowest lease of a stage can always count on
constexpr uint64_t kRejectRoom = 4 << 20;   // the reject output has no edge, so a share of its own
constexpr uint64_t kFirstGuess = 64 << 10;  // block size before the first batch has been seen

uint64_t reserve_of(uint64_t room) { return std::min(kReserve, room / 2); }

}  // namespace

bool Ledger::has_room(const OutputRecord& output, uint64_t wanted, bool lowest) const {
  const uint64_t bytes = wanted < kInlineBytes ? kInlineBytes : arena_.size_for(wanted);
  const auto fits = [bytes, lowest](uint64_t used, uint64_t room) {
    // What alone fills an edge may go when nothing else is there.
    if (lowest && used == 0) return true;
    return used + bytes <= room - (lowest ? 0 : reserve_of(room));
  };
  if (output.edges.empty()) return fits(output.used, kRejectRoom);
  return std::all_of(output.edges.begin(), output.edges.end(), [&](int number) {
    const EdgeRecord& edge = edges_[static_cast<size_t>(number)];
    return fits(edge.used, share_of(edge));
  });
}

// What states take, edges give up together, each by its part; but none gives up what it needs.
uint64_t Ledger::share_of(const EdgeRecord& edge) const {
  if (states_ == 0) return edge.plan->room;
  const uint64_t left = plan_.memory - std::min(states_, plan_.memory - plan_.memory_edges);
  return static_cast<uint64_t>(static_cast<double>(edge.plan->room) *
                               (static_cast<double>(left) / static_cast<double>(plan_.memory)));
}

void Ledger::take_state(StageRecord& stage, SeatRecord& seat, uint64_t bytes) {
  if (bytes == seat.state_bytes) return;
  states_ += bytes - seat.state_bytes;
  seat.state_bytes = bytes;
  uint64_t all = 0;
  for (const SeatRecord& each : stage.seats) all += each.state_bytes;
  stage.counts.state = std::max(stage.counts.state, all);
  arena_.set_limit(std::max(plan_.memory - std::min(plan_.memory, states_), plan_.memory_edges));
}

std::optional<Ledger::Overflow> Ledger::state_overflow() const {
  const uint64_t room = plan_.memory - plan_.memory_edges;
  if (states_ <= room) return std::nullopt;
  std::map<std::string_view, Overflow> by_name;  // the members of a pool have one name
  const Overflow* most = nullptr;
  for (const StageRecord& stage : stages_) {
    Overflow& entry = by_name.try_emplace(stage.plan->name).first->second;
    entry.stage = stage.plan->id;
    for (const SeatRecord& seat : stage.seats) entry.bytes += seat.state_bytes;
    if (most == nullptr || entry.bytes > most->bytes) most = &entry;
  }
  return Overflow{most->stage, most->bytes, states_, room};
}

void Ledger::charge(OutputRecord& output, uint64_t bytes) {
  if (output.edges.empty()) output.used += bytes;
  for (const int edge : output.edges) edges_[static_cast<size_t>(edge)].used += bytes;
}

void Ledger::discharge(OutputRecord& output, uint64_t bytes) {
  if (output.edges.empty()) output.used -= bytes;
  for (const int edge : output.edges) edges_[static_cast<size_t>(edge)].used -= bytes;
}

std::optional<Block> Ledger::take_room(OutputRecord& output, uint64_t bytes) {
  const std::optional<Block> block = arena_.allocate(bytes);
  if (block) charge(output, block->size);
  return block;
}

void Ledger::give_back(OutputRecord& output, const Block& block) {
  discharge(output, block.size);
  arena_.free(block);
}

void Ledger::drop_use(const Block& block) {
  const auto found = blocks_.find(block.offset);
  expect(found != blocks_.end(), "a block in use is in the ledger");
  if (--found->second.uses == 0) {
    arena_.free(found->second.block);
    blocks_.erase(found);
  }
}

void Ledger::drop_batch(const BatchName& batch) {
  for (const Block& block : batch.blocks) drop_use(block);
}

// Blocks that the lease will probably fill, as far as there is room: what it lacks it asks for.
void Ledger::add_grants(StageRecord& stage, LeaseRecord& lease) {
  const bool lowest = is_lowest(stage, lease);
  for (size_t number = 0; number + 1 < stage.outputs.size(); ++number) {  // rejects are asked for
    OutputRecord& output = stage.outputs[number];
    if (output.usual_bytes == 0 || output.edges.empty()) continue;
    uint64_t held = 0;
    for (const Grant& grant : lease.grants) {
      if (grant.output == static_cast<int>(number)) ++held;
    }
    for (; held < std::min(output.usual_count, kMaxGrants); ++held) {
      if (!has_room(output, output.usual_bytes, lowest)) break;
      const std::optional<Block> block = take_room(output, output.usual_bytes);
      if (!block) break;
      lease.grants.push_back({static_cast<int>(number), *block});
    }
  }
}

void Ledger::give_room(StageRecord& stage, LeaseRecord& lease, const Block& block) {
  const Grant grant{lease.want->output, block};
  lease.grants.push_back(grant);
  lease.want.reset();
  lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kRoom);
  const Seat seat{stage.plan->id, lease.seat};
  change(seat, WorkerEvent::kRoom);
  rooms_.push_back({seat, {lease.id, lease.attempt, grant}});
}

// Room for leases that wait for it, lowest first, and blocks ahead for long leases that commit in
// parts. Only what a worker has in hand can need any: the first of its leases.
void Ledger::grant_rooms(StageRecord& stage) {
  in_hand_.clear();
  for (const SeatRecord& seat : stage.seats) {
    if (!seat.leases.empty()) in_hand_.push_back(seat.leases.front());
  }
  std::sort(in_hand_.begin(), in_hand_.end());
  for (const uint64_t id : in_hand_) {
    LeaseRecord& lease = *find_lease(stage, id);
    // What an epoch needs waits for no core: a sink may hold one until this one has gone on.
    const bool may_compute = computing_ < plan_.cores || lease.epoch != 0;
    if (lease.state == LeaseState::kWaiting && may_compute) {
      OutputRecord& output = stage.outputs[static_cast<size_t>(lease.want->output)];
      if (!has_room(output, lease.want->bytes, is_lowest(stage, lease))) continue;
      if (const std::optional<Block> block = take_room(output, lease.want->bytes)) {
        give_room(stage, lease, *block);
      }
    } else if (lease.state == LeaseState::kRunning && lease.wants_more) {
      lease.wants_more = false;
      const size_t before = lease.grants.size();
      add_grants(stage, lease);
      for (size_t i = before; i < lease.grants.size(); ++i) {
        rooms_.push_back(
            {{stage.plan->id, lease.seat}, {lease.id, lease.attempt, lease.grants[i]}});
      }
    }
  }
}

bool Ledger::relieve(const Stall& stall) {
  // One block more than states leave is better than to stand still: it is given back soon.
  const uint64_t limit = arena_.limit();
  arena_.set_limit(plan_.memory);
  const bool relieved = relieve_one(stall);
  arena_.set_limit(limit);
  return relieved;
}

bool Ledger::relieve_one(const Stall& stall) {
  for (StageRecord& stage : stages_) {
    if (stage.component != stall.component || stage.leases.empty()) continue;
    LeaseRecord& lease = stage.leases.front();
    if (lease.state != LeaseState::kWaiting) continue;
    OutputRecord& output = stage.outputs[static_cast<size_t>(lease.want->output)];
    const std::optional<Block> block = take_room(output, lease.want->bytes);
    if (!block) continue;
    give_room(stage, lease, *block);
    return true;
  }
  return false;
}

// A lease that is handed out begins with the usual blocks; the first one of a stage guesses.
void Ledger::hand_out(Seat seat, LeaseRecord& lease) {
  StageRecord& stage = stage_of(seat);
  SeatRecord& place = seat_of(seat);
  lease.seat = seat.number;
  for (size_t number = 0; number + 1 < stage.outputs.size(); ++number) {
    OutputRecord& output = stage.outputs[number];
    if (output.usual_count == 0) {
      output.usual_count = 1;
      output.usual_bytes = kFirstGuess;
    }
  }
  if (lease.kind == LeaseKind::kProcess || lease.kind == LeaseKind::kRead ||
      lease.kind == LeaseKind::kFinish) {
    add_grants(stage, lease);
  }
  place.leases.push_back(lease.id);
  change(seat, WorkerEvent::kLease);
  Lease message;
  message.id = lease.id;
  message.attempt = lease.attempt;
  message.part = lease.parts;
  message.epoch = lease.epoch;
  message.partitions = owned_by(stage);
  message.kind = lease.kind;
  message.port = lease.port;
  if (lease.input) {
    message.batch = lease.input->name;
    message.first_row = lease.input->first_row;
  }
  message.cursor = lease.cursor;
  message.skip = lease.applied;
  message.grants = lease.grants;
  work_[seat].push_back(std::move(message));
}

}  // namespace towpath
