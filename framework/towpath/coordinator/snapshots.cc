#include "towpath/coordinator/snapshots.h"

#include <algorithm>

namespace towpath {

Snapshot take_snapshot(const Plan& plan, const Ledger& ledger, const Arena& arena,
                       const std::vector<int64_t>& restarts) {
  Snapshot snapshot;
  snapshot.pipeline = plan.pipeline;
  snapshot.arena_used = arena.used();
  snapshot.arena_peak = arena.peak();
  snapshot.arena_limit = plan.memory;
  uint64_t bytes_read = 0;
  for (const PlanStage& stage : plan.stages) {
    auto row = std::find_if(snapshot.stages.begin(), snapshot.stages.end(),
                            [&](const StageSnapshot& known) { return known.name == stage.name; });
    if (row == snapshot.stages.end()) {
      row = snapshot.stages.emplace(row);
      row->name = stage.name;
    }
    const StageCounts& counts = ledger.counts(stage.id);
    row->workers += stage.workers;
    row->busy += ledger.busy_workers(stage.id);
    row->restarts += restarts[static_cast<size_t>(stage.id)];
    row->leases += static_cast<int64_t>(counts.leases);
    if (stage.role != Role::kSource) row->in += counts.steps.front().in;
    row->out += counts.out;
    row->rejected += counts.rejected;
    row->counts_filtered = std::all_of(stage.steps.begin(), stage.steps.end(),
                                       [](const Step& step) { return step.row_to_row; });
    row->bytes += static_cast<int64_t>(counts.bytes);
    row->state += static_cast<int64_t>(counts.state);
    row->busy_seconds += static_cast<double>(counts.busy_us) / 1e6;
    for (const int edge : stage.inputs)
      row->queued += static_cast<int64_t>(ledger.edge_counts(edge).queued);
    snapshot.rejected += counts.rejected;
    snapshot.done += counts.done;
    snapshot.total += counts.total;
    if (const auto read = counts.counters.find("bytes_read"); read != counts.counters.end()) {
      bytes_read += read->second;
      snapshot.in_bytes = true;
    }
  }
  // A source that names files is done long before they are read.
  if (snapshot.in_bytes) snapshot.done = std::min(bytes_read, snapshot.total);
  for (StageSnapshot& stage : snapshot.stages) {
    if (stage.counts_filtered) stage.filtered = stage.in - stage.out - stage.rejected;
  }
  return snapshot;
}

}  // namespace towpath
