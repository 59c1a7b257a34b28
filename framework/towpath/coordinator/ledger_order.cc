#include <algorithm>
#include <utility>

#include "towpath/coordinator/ledger.h"

// Order: whose outputs go on now, which input is next, when a stage has ended.

namespace towpath {
namespace {

constexpr size_t kMostReads = 256;  // kept of a source before those not needed are looked for

}  // namespace

void Ledger::take_turns(StageRecord& stage) {
  while (!stage.leases.empty()) {
    LeaseRecord& lease = stage.leases.front();
    take_turn(stage, lease);
    if (lease.state != LeaseState::kHeld) return;
    lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kTurn);
    ++stage.counts.leases;
    if (lease.kind == LeaseKind::kRead) {
      stage.reads[lease.sequence.number] = {lease.cursor, stage.counts};
      if (stage.reads.size() > kMostReads) forget_reads(stage);
    }
    if (is_draining() && is_behind_cut(beginning_of(stage, lease))) {
      keep_input_behind_cut(stage, lease);
    }
    if (stage.extends && lease.kind == LeaseKind::kProcess) stage.parts_of = place_of(stage, lease);
    if (lease.input) drop_input(stage, lease);
    stage.leases.pop_front();
  }
}

// The turn of the stage's first lease: part by part.
void Ledger::take_turn(StageRecord& stage, LeaseRecord& lease) {
  while (!lease.ready.empty()) {
    PartRecord& part = lease.ready.front();
    const Sequence sequence = place_of(stage, lease);
    stage.last_out = sequence;
    if (is_draining() && !stage.cut_counts && is_behind_cut(sequence)) {
      stage.cut_counts = stage.counts;
    }
    lease.begun = lease.begun || !part.outputs.empty();
    const bool known = stage.refusals_known && lease.kind == LeaseKind::kApply;
    for (OutBatch& out : part.outputs) release(stage, sequence, std::move(out), known);
    part.outputs.clear();
    if (!part.complete) return;
    lease.turned = std::move(part.cursor);
    if (!known) book(stage.counts, std::move(part));
    lease.ready.pop_front();
    ++lease.closed;
    lease.begun = false;
    if (is_draining() && !lease.turned.empty()) note_cut_lease(stage, lease);
  }
}

void Ledger::book(StageCounts& counts, PartRecord&& part) {
  for (size_t step = 0; step < part.counts.size() && step < counts.steps.size(); ++step) {
    counts.steps[step].in += part.counts[step].in;
    counts.steps[step].out += part.counts[step].out;
    counts.steps[step].rejected += part.counts[step].rejected;
  }
  for (const auto& [name, amount] : part.counters) counts.counters[name] += amount;
}

// Of the same read, by leases before it.
uint64_t Ledger::parts_before(const StageRecord& stage, const LeaseRecord& lease) {
  const Sequence& last = stage.parts_of;
  const bool same = last.source == lease.sequence.source && last.number == lease.sequence.number;
  return same ? last.part : 0;
}

// The stage's turns have come to it.
Sequence Ledger::beginning_of(const StageRecord& stage, const LeaseRecord& lease) {
  Sequence place = lease.sequence;
  if (stage.extends) place.part = parts_before(stage, lease);
  return place;
}

bool Ledger::continues_read(const StageRecord& stage, const Sequence& sequence) {
  const Sequence& last = stage.leases.empty() ? stage.parts_of : stage.leases.back().sequence;
  return last.source == sequence.source && last.number == sequence.number;
}

Sequence Ledger::place_of(const StageRecord& stage, const LeaseRecord& lease) {
  Sequence place = lease.sequence;
  if (stage.extends) place.part = parts_before(stage, lease) + lease.closed;
  // One that chooses may take what comes earlier behind what comes later.
  return stage.chooses ? std::max(stage.last_out, place) : place;
}

void Ledger::release(StageRecord& stage, const Sequence& sequence, OutBatch&& out, bool known) {
  const size_t number = static_cast<size_t>(out.output);
  OutputRecord& output = stage.outputs[number];
  const bool is_reject = number + 1 == stage.outputs.size();
  const uint64_t charge = charge_of(out.batch);
  const size_t readers = is_reject ? 1 : output.edges.size();
  if (!out.batch.blocks.empty()) {
    const Block& block = out.batch.blocks.front();
    if (readers == 0) {
      arena_.free(block);
    } else {
      blocks_[block.offset] = {block, static_cast<uint32_t>(readers)};
    }
  }
  if (is_reject) {
    if (!known) stage.counts.rejected += out.batch.rows;
    const bool later = is_draining() && is_behind_cut(sequence);
    (later ? rejects_behind_cut_ : rejects_)
        .push_back({stage.plan->id, std::move(out.batch), known});
    return;
  }
  if (number == 0) stage.counts.out += out.batch.rows;
  stage.counts.bytes += out.batch.size;
  for (const int edge_number : output.edges) {
    EdgeRecord& edge = edges_[static_cast<size_t>(edge_number)];
    if (is_draining() && !edge.cut_released && is_behind_cut(sequence)) {
      edge.cut_released = edge.released;
    }
    edge.state = kEdgeLifecycle.after(edge.state, EdgeEvent::kRelease);
    edge.queue.push_back({sequence, out.batch, edge.released, charge});
    edge.released += out.batch.rows;
  }
}

// The lowest sequence that the stage may still release.
Sequence Ledger::floor_of(const StageRecord& stage) const {
  if (stage.ended) return Sequence::never();
  if (!stage.leases.empty()) return place_of(stage, stage.leases.front());
  if (stage.plan->role == Role::kSource) {
    return stage.source_ended ? Sequence::never() : Sequence{stage.plan->id, stage.next_read, 0};
  }
  Sequence floor = Sequence::never();
  for (size_t input = 0; input < stage.plan->inputs.size(); ++input) {
    if (stage.next_port >= 0 && port_of(stage, input) != stage.next_port) continue;
    floor = std::min(floor, floor_of_input(stage, input));
  }
  // All read: only the flush is left.
  floor = std::min(floor, Sequence::end_of(stage.plan->sources.back()));
  return stage.chooses ? std::max(stage.last_out, floor) : floor;
}

Sequence Ledger::floor_of_input(const StageRecord& stage, size_t input) const {
  const EdgeRecord& edge = input_edge(stage, input);
  if (!edge.queue.empty()) return edge.queue.front().sequence;
  if (edge.state != EdgeState::kOpen) return Sequence::never();
  return floor_of(stages_[static_cast<size_t>(edge.plan->from_stage)]);
}

// The input whose next batch is the next in order; none: it has not come yet.
std::optional<size_t> Ledger::pick_input(const StageRecord& stage) const {
  const size_t inputs = stage.plan->inputs.size();
  const bool chooses = stage.next_port >= 0;
  if (inputs == 1 && !chooses) {
    const EdgeRecord& edge = input_edge(stage, 0);
    if (edge.queue.empty() || is_barred(stage, edge.queue.front().sequence)) return std::nullopt;
    return 0;
  }
  std::optional<size_t> best;
  Sequence lowest = Sequence::never();
  for (size_t input = 0; input < inputs; ++input) {
    if (chooses && port_of(stage, input) != stage.next_port) continue;
    const Sequence floor = floor_of_input(stage, input);
    if (floor < lowest) {
      lowest = floor;
      best = input;
    }
  }
  if (!best || input_edge(stage, *best).queue.empty()) return std::nullopt;
  if (is_barred(stage, input_edge(stage, *best).queue.front().sequence)) return std::nullopt;
  return best;
}

// The port to flush: all its edges have ended and are read, and nothing of the stage is under way.
std::optional<int> Ledger::port_to_finish(const StageRecord& stage) const {
  if (!stage.leases.empty() || stage.plan->role != Role::kStage || stage.ended) return std::nullopt;
  if (is_barred(stage, Sequence::end_of(stage.plan->sources.back()))) return std::nullopt;
  const auto drained = [&](int port) {
    for (size_t input = 0; input < stage.plan->inputs.size(); ++input) {
      if (port >= 0 && port_of(stage, input) != port) continue;
      const EdgeRecord& edge = input_edge(stage, input);
      if (edge.state == EdgeState::kOpen || !edge.queue.empty()) return false;
    }
    return true;
  };
  for (int port = 0; port < static_cast<int>(stage.finished.size()); ++port) {
    if (stage.finished[static_cast<size_t>(port)]) continue;
    if (stage.next_port >= 0) {  // a stage that chooses hears of the end of the port it asked for
      if (port == stage.next_port && drained(port)) return port;
      continue;
    }
    return drained(-1) ? std::optional<int>(port) : std::nullopt;
  }
  return std::nullopt;
}

void Ledger::end_if_done(StageRecord& stage) {
  if (stage.ended || !stage.leases.empty()) return;
  if (stage.plan->role == Role::kSource) {
    if (!stage.source_ended) return;
  } else {
    for (size_t input = 0; input < stage.plan->inputs.size(); ++input) {
      EdgeRecord& edge = input_edge(stage, input);
      if (edge.state == EdgeState::kOpen || !edge.queue.empty()) return;
      edge.state = kEdgeLifecycle.after(edge.state, EdgeEvent::kDrain);
    }
    if (stage.plan->role == Role::kStage &&
        !std::all_of(stage.finished.begin(), stage.finished.end(),
                     [](bool done) { return done; })) {
      return;
    }
  }
  stage.ended = true;
  for (OutputRecord& output : stage.outputs) {
    for (const int number : output.edges) {
      EdgeRecord& edge = edges_[static_cast<size_t>(number)];
      edge.state = kEdgeLifecycle.after(edge.state, EdgeEvent::kEnd);
      end_if_done(
          stages_[static_cast<size_t>(edge.plan->to_stage)]);  // it may have read all already
    }
  }
}

}  // namespace towpath
