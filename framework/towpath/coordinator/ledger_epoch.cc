#include <algorithm>
#include <iterator>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/coordinator/ledger.h"

// Epochs: where the cut falls, when all before it is done, what is recorded of it, and how a ledger
// begins from such a record.

namespace towpath {

// ── the cut ──

// The nearest place that nothing with a lasting effect has passed yet: behind what stages with
// state and sinks have been leased, and behind what the others have let go on.
Sequence Ledger::place_for_cut(const StageRecord& source) const {
  const int id = source.plan->id;
  const auto has_passed_end = [id](const StageRecord& stage) {
    if (stage.plan->role == Role::kSource || stage.chooses) return false;
    if (stage.plan->sources.back() == id) {
      return std::ranges::any_of(stage.finished, [](bool done) { return done; }) ||
             (!stage.leases.empty() && stage.leases.front().kind == LeaseKind::kFinish);
    }
    return stage.latest_source > id &&
           std::ranges::find(stage.plan->sources, id) != stage.plan->sources.end();
  };
  if (source.cut_behind_end || std::ranges::any_of(stages_, has_passed_end)) {
    return Sequence::behind(id);
  }
  // Never before one that was found earlier: what it needed may be forgotten.
  Sequence place{id, source.barrier ? source.next_read : source.needed_from, 0};
  for (const OutputRecord& output : source.outputs) {
    for (const int number : output.edges) {
      place = std::max(place, passed_by_reader(source, edges_[static_cast<size_t>(number)]));
    }
  }
  return place;
}

// Behind what the reader of the edge has taken, or, where it takes reads part by part, let go on.
Sequence Ledger::passed_by_reader(const StageRecord& source, const EdgeRecord& edge) const {
  const int id = source.plan->id;
  const StageRecord& reader = stages_[static_cast<size_t>(edge.plan->to_stage)];
  const auto open = std::ranges::find_if(
      reader.leases, [&](const LeaseRecord& lease) { return is_from(reader, lease, edge); });
  const Sequence taken{id, edge.next_taken, 0};
  if (open == reader.leases.end()) {
    if (!edge.queue.empty()) return std::max(taken, edge.queue.front().sequence);
    // Reads that came to nothing are passed as well.
    return std::max(taken, std::min(floor_of(source), {id, source.next_read, 0}));
  }
  if (reader.barrier || !reader.extends) return taken;
  return {id, open->sequence.number,
          parts_before(reader, *open) + open->closed + (open->begun ? 1 : 0)};
}

void Ledger::begin_cut() {
  expect(!cut_, "one epoch at a time");
  Cut cut;
  cut.places.assign(stages_.size(), Sequence::never());
  for (StageRecord& stage : stages_) {
    if (stage.plan->role != Role::kSource) continue;
    const Sequence place = place_for_cut(stage);
    stage.cut_behind_end = place.number == UINT64_MAX;
    cut.places[static_cast<size_t>(stage.plan->id)] = place;
  }
  cut_ = std::move(cut);
  for (EdgeRecord& edge : edges_) note_cut_rows(edge);
  for (StageRecord& stage : stages_) {
    stage.saved = false;
    stage.publishing = StageRecord::Publishing::kNot;
    stage.saved_as.clear();
    stage.cut_counts.reset();
    stage.cut_lease = 0;
    if (!stage.leases.empty()) note_cut_lease(stage, stage.leases.front());
  }
}

// How many rows of the edge lie before the cut, if some behind it were released already.
void Ledger::note_cut_rows(EdgeRecord& edge) {
  edge.cut_released.reset();
  const StageRecord& reader = stages_[static_cast<size_t>(edge.plan->to_stage)];
  for (const LeaseRecord& lease : reader.leases) {
    if (!is_from(reader, lease, edge) || !is_behind_cut(lease.sequence)) continue;
    edge.cut_released = lease.first_row;
    return;
  }
  const auto behind = std::ranges::find_if(
      edge.queue, [this](const EdgeBatch& batch) { return is_behind_cut(batch.sequence); });
  if (behind != edge.queue.end()) edge.cut_released = behind->first_row;
}

// A lease that stands at the cut goes on from there: its input is kept.
void Ledger::note_cut_lease(StageRecord& stage, const LeaseRecord& lease) {
  if (!stage.extends || stage.barrier || !lease.input || lease.closed == 0) return;
  const Sequence& place = cut_->places[static_cast<size_t>(lease.sequence.source)];
  const Sequence here = place_of(stage, lease);
  if (here != place) return;
  stage.cut_lease = lease.id;
  add_cut_lease(stage, lease, lease.turned, here.part);
}

// The same read may come in several batches: those behind the one that stands at the cut, or the
// first, if the cut is between two.
void Ledger::keep_input_behind_cut(StageRecord& stage, const LeaseRecord& lease) {
  if (!stage.extends || stage.barrier || !lease.input || lease.id == stage.cut_lease) return;
  if (is_behind_cut(lease.input->sequence)) return;
  const bool first = stage.cut_leases.empty();
  const Sequence& place = cut_->places[static_cast<size_t>(lease.sequence.source)];
  add_cut_lease(stage, lease, "", first ? place.part : 0);
}

void Ledger::add_cut_lease(StageRecord& stage, const LeaseRecord& lease, const std::string& cursor,
                           uint64_t closed) {
  pin(lease.input->name);
  stage.cut_leases.push_back(
      {.from_input = lease.from_input,
       .input = {lease.input->sequence, lease.input->first_row, lease.input->name, 0},
       .cursor = cursor,
       .closed = closed});
}

// What a stage that takes its sources in turn would begin with behind the cut of an earlier one is
// behind the cut as well.
bool Ledger::is_behind_cut_at(const StageRecord& stage, const Sequence& sequence) const {
  if (is_behind_cut(sequence)) return true;
  if (!cut_ || stage.chooses) return false;
  return std::ranges::any_of(stage.plan->sources, [&](int source) {
    return source < sequence.source &&
           cut_->places[static_cast<size_t>(source)].number != UINT64_MAX;
  });
}

// Those with state and sinks must have saved what lies before the cut; and what one of several
// sources would begin with has to lie there when the cut is recorded.
bool Ledger::is_barred(const StageRecord& stage, const Sequence& sequence) const {
  if (!cut_) return false;
  if (stage.barrier) {
    const bool through = stage.plan->role == Role::kSink
                             ? stage.publishing == StageRecord::Publishing::kCommitted
                             : stage.saved;
    if (through) return false;
  } else if (!is_draining() || stage.plan->sources.size() < 2) {
    return false;
  }
  return is_behind_cut_at(stage, sequence);
}

void Ledger::revoke_cut() {
  expect(is_draining(), "a cut is revoked before anything is saved");
  for (StageRecord& stage : stages_) {
    for (const EpochRecord::OpenLease& lease : stage.cut_leases) drop_batch(lease.input.batch);
    stage.cut_leases.clear();
  }
  std::ranges::move(rejects_behind_cut_, std::back_inserter(rejects_));
  rejects_behind_cut_.clear();
  cut_.reset();
}

bool Ledger::cut_drained() const {
  if (!rejects_.empty()) return false;
  return std::ranges::all_of(stages_, [this](const StageRecord& stage) {
    if (stage.plan->role == Role::kSink || (stage.barrier && !stage.ended)) {
      if (stage.seats.front().state != WorkerState::kIdle) return false;  // starting, perhaps
    }
    return is_done_to_cut(stage);
  });
}

// ── saving ──

void Ledger::begin_save(uint64_t epoch) {
  EpochRecord& record = cut_->record;
  record.number = cut_->epoch = epoch;
  record.final = std::ranges::all_of(stages_, [](const StageRecord& stage) { return stage.ended; });
  for (const EdgeRecord& edge : edges_) record.edges.push_back(edge_at(edge));
  for (StageRecord& stage : stages_) {
    for (const LeaseRecord& lease : stage.leases) keep_input_behind_cut(stage, lease);
    record.stages.push_back(stage_at(stage));
    stage.cut_leases.clear();
  }
  cut_->phase = CutPhase::kSaving;
  rejects_ = std::exchange(rejects_behind_cut_, {});
  for (StageRecord& stage : stages_) {
    const bool sink = stage.plan->role == Role::kSink;
    if (!stage.barrier) continue;
    if (stage.ended && !sink) {  // it keeps nothing any more
      stage.saved = true;
      continue;
    }
    hand_out_for_epoch(stage, sink ? LeaseKind::kPrepare : LeaseKind::kSave);
  }
}

bool Ledger::all_saved() const {
  return std::ranges::all_of(
      stages_, [](const StageRecord& stage) { return !stage.barrier || stage.saved; });
}

EpochRecord::StageAt Ledger::stage_at(const StageRecord& stage) const {
  EpochRecord::StageAt at;
  at.name = stage.plan->name;
  at.member = stage.plan->member;
  at.counts = stage.cut_counts.value_or(stage.counts);
  if (stage.plan->role == Role::kSource) {
    const Sequence& place = cut_->places[static_cast<size_t>(stage.plan->id)];
    at.source_ended = place.number == UINT64_MAX;
    at.next_read = at.source_ended ? stage.next_read : place.number + (place.part > 0 ? 1 : 0);
    if (at.next_read > 0) {
      const auto point = stage.reads.find(at.next_read - 1);
      expect(point != stage.reads.end(), format("the token behind read {} of \"{}\" is kept",
                                                at.next_read - 1, stage.plan->name));
      at.token = point->second.token;
      at.counts = point->second.counts;
    } else {
      at.counts = {};
      at.counts.steps.resize(stage.counts.steps.size());
    }
  }
  if (stage.plan->role != Role::kSource) {
    const bool flushed = !is_behind_cut_at(stage, Sequence::end_of(stage.plan->sources.back()));
    for (const bool done : stage.finished) at.finished.push_back(done && flushed);
  }
  at.next_port = stage.next_port;
  at.chooses = stage.chooses;
  at.last_out = stage.last_out;
  at.leases = stage.cut_leases;
  return at;
}

EpochRecord::EdgeAt Ledger::edge_at(const EdgeRecord& edge) {
  EpochRecord::EdgeAt at;
  at.released = edge.cut_released.value_or(edge.released);
  for (const EdgeBatch& batch : edge.queue) {
    if (is_behind_cut(batch.sequence)) break;
    pin(batch.name);
    at.held.push_back({batch.sequence, batch.first_row, batch.name, 0});
  }
  return at;
}

EpochRecord Ledger::epoch_record() const {
  EpochRecord record = cut_->record;
  for (size_t i = 0; i < stages_.size(); ++i) record.stages[i].saved = stages_[i].saved_as;
  return record;
}

// A batch stays while its name is in a record that is being written.
void Ledger::pin(const BatchName& batch) {
  for (const Block& block : batch.blocks) ++blocks_.at(block.offset).uses;
}

// ── making visible ──

void Ledger::begin_commit(bool visible) {
  for (const EpochRecord::EdgeAt& edge : cut_->record.edges) {
    for (const EpochRecord::Held& held : edge.held) drop_batch(held.batch);
  }
  for (const EpochRecord::StageAt& stage : cut_->record.stages) {
    for (const EpochRecord::OpenLease& lease : stage.leases) drop_batch(lease.input.batch);
  }
  cut_->phase = CutPhase::kCommitting;
  for (StageRecord& stage : stages_) {
    if (stage.plan->role == Role::kSink && !visible)
      stage.publishing = StageRecord::Publishing::kCommitted;
  }
  publish_on();
}

// Nothing comes to a sink before what it has prepared is visible: the cut is ahead of all.
void Ledger::commit_again(uint64_t epoch) {
  Cut cut;
  cut.phase = CutPhase::kCommitting;
  cut.epoch = epoch;
  for (StageRecord& stage : stages_) {
    cut.places.push_back({stage.plan->id, 0, 0});
    stage.saved = true;
    stage.refusals_known = stage.applied;
  }
  cut_ = std::move(cut);
}

void Ledger::hand_out_for_epoch(StageRecord& stage, LeaseKind kind) {
  LeaseRecord& lease = new_lease(stage, kind, floor_of(stage), 0);
  lease.epoch = cut_->epoch;
  hand_out({stage.plan->id, 0}, lease);
}

// Sinks that are there begin.
void Ledger::publish_on() {
  if (!cut_ || cut_->phase != CutPhase::kCommitting) return;
  for (StageRecord& stage : stages_) {
    if (stage.plan->role != Role::kSink || stage.publishing != StageRecord::Publishing::kNot ||
        stage.seats.front().state != WorkerState::kIdle) {
      continue;
    }
    stage.publishing = StageRecord::Publishing::kApplying;
    hand_out_for_epoch(stage, LeaseKind::kApply);
  }
}

std::vector<int> Ledger::applied_sinks() const {
  std::vector<int> sinks;
  for (const StageRecord& stage : stages_) {
    if (stage.publishing == StageRecord::Publishing::kApplied) sinks.push_back(stage.plan->id);
  }
  return sinks;
}

void Ledger::make_visible(int sink) {
  StageRecord& stage = stages_[static_cast<size_t>(sink)];
  expect(stage.publishing == StageRecord::Publishing::kApplied, "what was applied is made visible");
  stage.publishing = StageRecord::Publishing::kCommitting;
  hand_out_for_epoch(stage, LeaseKind::kCommit);
}

bool Ledger::all_committed() const {
  return std::ranges::all_of(stages_, [](const StageRecord& stage) {
    return stage.plan->role != Role::kSink ||
           stage.publishing == StageRecord::Publishing::kCommitted;
  });
}

void Ledger::end_epoch() {
  cut_.reset();
  for (StageRecord& stage : stages_) stage.refusals_known = false;
}

// What a later cut can't need any more.
void Ledger::forget_reads(StageRecord& source) {
  const Sequence place =
      cut_ ? cut_->places[static_cast<size_t>(source.plan->id)] : place_for_cut(source);
  if (place.number == UINT64_MAX || place.number < 2) return;
  source.needed_from = std::max(source.needed_from, place.number);
  source.reads.erase(source.reads.begin(), source.reads.lower_bound(place.number - 1));
}

// ── going on ──

void Ledger::restore(EpochRecord&& epoch) {
  expect(epoch.stages.size() == stages_.size() && epoch.edges.size() == edges_.size(),
         "an epoch of the same plan");
  for (size_t i = 0; i < edges_.size(); ++i) {
    EdgeRecord& edge = edges_[i];
    EpochRecord::EdgeAt& at = epoch.edges[i];
    edge.released = edge.taken = at.released;
    const EpochRecord::StageAt& writer = epoch.stages[static_cast<size_t>(edge.plan->from_stage)];
    edge.next_taken = writer.next_read;
    for (EpochRecord::Held& held : at.held) {
      const uint64_t charge = charge_of(held.batch);
      edge.used += charge;
      edge.taken -= held.batch.rows;
      edge.queue.push_back({held.sequence, std::move(held.batch), held.first_row, charge});
    }
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    StageRecord& stage = stages_[i];
    EpochRecord::StageAt& at = epoch.stages[i];
    stage.counts = std::move(at.counts);
    stage.next_read = at.next_read;
    stage.token = at.token;
    stage.source_ended = stage.cut_behind_end = at.source_ended;
    if (at.next_read > 0 && at.token) stage.reads[at.next_read - 1] = {*at.token, stage.counts};
    for (size_t port = 0; port < at.finished.size(); ++port) {
      stage.finished[port] = at.finished[port] != 0;
    }
    stage.next_port = at.next_port;
    stage.chooses = at.chooses;
    stage.last_out = at.last_out;
    stage.applied = at.applied;
    for (EpochRecord::OpenLease& open : at.leases) {
      EdgeRecord& edge = input_edge(stage, open.from_input);
      LeaseRecord& lease = new_lease(stage, LeaseKind::kProcess, open.input.sequence,
                                     port_of(stage, open.from_input));
      const uint64_t charge = charge_of(open.input.batch);
      edge.used += charge;
      edge.taken -= open.input.batch.rows;
      lease.input = {open.input.sequence, std::move(open.input.batch), open.input.first_row,
                     charge};
      lease.from_input = open.from_input;
      lease.first_row = lease.input->first_row;
      lease.has_cursor = true;
      lease.cursor = lease.turned = std::move(open.cursor);
      lease.closed = open.closed;
      lease.state = LeaseState::kReturned;
      ++stage.returned;
    }
  }
  for (StageRecord& stage : stages_) end_if_done(stage);
}

}  // namespace towpath
