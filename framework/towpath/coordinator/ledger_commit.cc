#include <algorithm>
#include <utility>

#include "towpath/base/format.h"
#include "towpath/coordinator/ledger.h"

// Commits: what a worker has done, checked, then applied whole or not at all.

namespace towpath {

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
  check_outputs(stage, lease, commit);
  if (lease.state == LeaseState::kWaiting) {
    // Room granted ahead reached the worker when it had just asked: it goes on already.
    lease.want.reset();
    lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kRoom);
    change(seat, WorkerEvent::kRoom);
  }
  if (lease.ready.empty() || lease.ready.back().complete) lease.ready.emplace_back();
  PartRecord& part = lease.ready.back();
  apply_outputs(stage, lease, part, std::move(commit.outputs));
  if (commit.final || commit.cursor) {  // counts come with no other
    part.counts = std::move(commit.counts);
    part.counters = std::move(commit.counters);
    part.complete = true;
  }
  stage.counts.busy_us += commit.busy_us;
  take_state(stage, place, commit.state);
  if (commit.final) {
    close_lease(stage, lease, seat, commit);
  } else {
    ++lease.parts;
    lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kPart);
    if (commit.cursor) {
      part.cursor = lease.cursor = *commit.cursor;
      lease.has_cursor = true;
      std::fill(lease.applied.begin(), lease.applied.end(), 0);
    }
    lease.wants_more = true;
    if (commit.want) {
      lease.want = commit.want;
      lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kWant);
      change(seat, WorkerEvent::kWant);
    }
  }
  take_turns(stage);
  end_if_done(stage);
  return true;
}

// All of it, before anything is applied.
void Ledger::check_outputs(const StageRecord& stage, const LeaseRecord& lease,
                           const Commit& commit) const {
  const auto exists = [&stage](int output) {
    return output >= 0 && static_cast<size_t>(output) < stage.outputs.size();
  };
  if (commit.want && !exists(commit.want->output)) {
    throw Invalid(format("lease {} wants room on output {}, which does not exist", lease.id,
                         commit.want->output));
  }
  std::vector<uint64_t> taken;  // a block holds one batch
  for (const OutBatch& out : commit.outputs) {
    const BatchName& batch = out.batch;
    if (!exists(out.output)) {
      throw Invalid(format("lease {} was committed to output {}, which does not exist", lease.id,
                           out.output));
    }
    if (batch.rows < 0 || batch.blocks.size() > 1 ||
        (batch.blocks.empty() != !batch.image.empty()) ||
        (batch.blocks.empty() && batch.image.size() != batch.size)) {
      throw Invalid(
          format("lease {} was committed with a batch that can't be: {} rows, {} blocks, "
                 "{} of {} bytes in the message",
                 lease.id, batch.rows, batch.blocks.size(), batch.image.size(), batch.size));
    }
    if (batch.blocks.empty()) continue;
    const Block& block = batch.blocks.front();
    const bool granted = std::ranges::any_of(lease.grants, [&](const Grant& grant) {
      return grant.output == out.output && grant.block.offset == block.offset &&
             grant.block.size == block.size;
    });
    if (!granted || batch.size > block.size ||
        std::ranges::find(taken, block.offset) != taken.end()) {
      throw Invalid(
          format("lease {} was committed with {} bytes in the block of {} bytes at {}, "
                 "which was not granted to its output {}",
                 lease.id, batch.size, block.size, block.offset, out.output));
    }
    taken.push_back(block.offset);
  }
}

void Ledger::apply_outputs(StageRecord& stage, LeaseRecord& lease, PartRecord& part,
                           std::vector<OutBatch>&& outputs) {
  for (OutBatch& out : outputs) {
    const size_t number = static_cast<size_t>(out.output);
    OutputRecord& output = stage.outputs[number];
    if (out.batch.blocks.empty()) {
      charge(output, charge_of(out.batch));
    } else {
      const uint64_t offset = out.batch.blocks.front().offset;
      std::erase_if(lease.grants,
                    [offset](const Grant& grant) { return grant.block.offset == offset; });
      lease.largest[number] = std::max(lease.largest[number], out.batch.size);
      output.usual_bytes = std::max(output.usual_bytes, out.batch.size);
    }
    ++lease.applied[number];
    ++lease.made[number];
    part.outputs.push_back(std::move(out));
  }
}

void Ledger::drop_input(StageRecord& stage, LeaseRecord& lease) {
  EdgeRecord& edge = input_edge(stage, lease.from_input);
  drop_batch(lease.input->name);
  edge.used -= lease.input->charge;
  edge.taken += lease.input->name.rows;
  edge.state = kEdgeLifecycle.after(edge.state, EdgeEvent::kTake);
  lease.input.reset();
}

void Ledger::close_lease(StageRecord& stage, LeaseRecord& lease, Seat seat, const Commit& commit) {
  for (const Grant& grant : std::exchange(lease.grants, {})) {
    give_back(stage.outputs[static_cast<size_t>(grant.output)], grant.block);
  }
  // What a lease usually makes: rises at once, falls slowly.
  for (size_t number = 0; number + 1 < stage.outputs.size(); ++number) {
    OutputRecord& output = stage.outputs[number];
    if (lease.made[number] == 0) continue;
    output.usual_bytes =
        std::max(lease.largest[number], output.usual_bytes - output.usual_bytes / 8);
    if (output.usual_bytes < kInlineBytes) output.usual_bytes = 0;
    output.usual_count = std::max(lease.made[number], output.usual_count - 1);
  }
  if (lease.input && !keeps_input(stage, lease)) drop_input(stage, lease);
  stage.next_port = commit.next_port;
  switch (lease.kind) {
    case LeaseKind::kRead:
      stage.token = commit.cursor;
      lease.cursor = commit.cursor.value_or("");
      stage.source_ended = stage.source_ended || commit.ended;
      stage.source_idle = commit.idle && !commit.ended;
      stage.counts.done = commit.done;
      stage.counts.total = commit.total;
      break;
    case LeaseKind::kFinish:
      stage.finished[static_cast<size_t>(lease.port)] = true;
      break;
    case LeaseKind::kSave:
    case LeaseKind::kPrepare:
      stage.saved = true;
      stage.saved_as = commit.position;
      break;
    case LeaseKind::kApply:
      stage.publishing = StageRecord::Publishing::kApplied;
      break;
    case LeaseKind::kCommit:
      stage.publishing = StageRecord::Publishing::kCommitted;
      break;
    case LeaseKind::kProcess:
      break;
  }
  SeatRecord& place = seat_of(seat);
  place.us_per_lease =
      place.us_per_lease == 0 ? commit.busy_us : (place.us_per_lease * 7 + commit.busy_us) / 8;
  lease.state = kLeaseLifecycle.after(lease.state, LeaseEvent::kCommit);
  lease.seat = -1;
  place.leases.pop_front();
  if (place.leases.empty()) change(seat, WorkerEvent::kCommitLast);
}

}  // namespace towpath
