#include <algorithm>
#include <utility>

#include "towpath/coordinator/ledger.h"

// Order: whose outputs go on now, which input is next, when a stage has ended.

namespace towpath {

void Ledger::take_turns(StageRecord& stage) {
  while (!stage.leases.empty()) {
    LeaseRecord& lease = stage.leases.front();
    for (OutBatch& out : lease.outputs) release(stage, lease, std::move(out));
    lease.outputs.clear();
    if (lease.state != LeaseState::kHeld) return;
    lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kTurn);
    stage.leases.pop_front();
  }
}

void Ledger::release(StageRecord& stage, const LeaseRecord& lease, OutBatch&& out) {
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
    stage.counts.rejected += out.batch.rows;
    rejects_.push_back({stage.plan->id, std::move(out.batch)});
    return;
  }
  if (number == 0) stage.counts.out += out.batch.rows;
  stage.counts.bytes += out.batch.size;
  for (const int edge_number : output.edges) {
    EdgeRecord& edge = edges_[static_cast<size_t>(edge_number)];
    edge.state = kEdgeLifecycle.after(edge.state, EdgeEvent::kRelease);
    edge.queue.push_back({lease.sequence, out.batch, edge.released, charge});
    edge.released += out.batch.rows;
  }
}

// The lowest sequence that the stage may still release.
Sequence Ledger::floor_of(const StageRecord& stage) const {
  if (stage.ended) return Sequence::never();
  if (!stage.leases.empty()) return stage.leases.front().sequence;
  if (stage.plan->role == Role::kSource) {
    return stage.source_ended ? Sequence::never() : Sequence{stage.plan->id, stage.next_read};
  }
  Sequence floor = Sequence::never();
  for (size_t input = 0; input < stage.plan->inputs.size(); ++input) {
    floor = std::min(floor, floor_of_input(stage, input));
  }
  // All read: only the flush is left.
  return std::min(floor, Sequence::end_of(stage.plan->sources.back()));
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
    return input_edge(stage, 0).queue.empty() ? std::nullopt : std::optional<size_t>(0);
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
  return best;
}

// The port to flush: all its edges have ended and are read, and nothing of the stage is under way.
std::optional<int> Ledger::port_to_finish(const StageRecord& stage) const {
  if (!stage.leases.empty() || stage.plan->role != Role::kStage || stage.ended) return std::nullopt;
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
