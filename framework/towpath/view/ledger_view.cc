#include "towpath/view/ledger_view.h"

#include <algorithm>
#include <vector>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {

std::string show_ledger(const Snapshot& ledger) {
  std::vector<std::vector<std::string>> rows = {{"stage", "workers", "restarts", "leases", "in",
                                                 "out", "filtered", "rejected", "bytes", "state",
                                                 "busy"}};
  for (const StageSnapshot& stage : ledger.stages) {
    rows.push_back({stage.name, show_count(stage.workers), show_count(stage.restarts),
                    show_count(stage.leases), show_count(stage.in), show_count(stage.out),
                    stage.counts_filtered ? show_count(stage.filtered) : "-",
                    show_count(stage.rejected), show_bytes(static_cast<uint64_t>(stage.bytes)),
                    stage.state == 0 ? "-" : show_bytes(static_cast<uint64_t>(stage.state)),
                    format("{:.1f}s", stage.busy_seconds)});
  }
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    text += format("  {:<{}}", row[0], widths[0]);
    for (size_t i = 1; i < row.size(); ++i) text += format("  {:>{}}", row[i], widths[i]);
    text += '\n';
  }
  if (ledger.rewinds > 0) {
    text += format("  went back {} time(s) to the last of {} epoch(s), or to the start\n",
                   show_count(ledger.rewinds), show_count(ledger.epochs));
  }
  return text;
}

Object ledger_object(const Snapshot& ledger) {
  Object::Array stages;
  for (const StageSnapshot& stage : ledger.stages) {
    Object row;
    row.set("name", stage.name);
    row.set("workers", stage.workers);
    row.set("restarts", stage.restarts);
    row.set("leases", stage.leases);
    row.set("in", stage.in);
    row.set("out", stage.out);
    row.set("filtered", stage.filtered);
    row.set("rejected", stage.rejected);
    row.set("bytes", stage.bytes);
    row.set("state", stage.state);
    row.set("busy_seconds", stage.busy_seconds);
    stages.push_back(std::move(row));
  }
  Object object;
  object.set("run", ledger.run);
  object.set("pipeline", ledger.pipeline);
  object.set("status", ledger.status);
  object.set("seconds", ledger.seconds);
  object.set("arena_peak", ledger.arena_peak);
  object.set("arena_limit", ledger.arena_limit);
  object.set("epochs", ledger.epochs);
  object.set("rewinds", ledger.rewinds);
  object.set("stages", std::move(stages));
  return object;
}

}  // namespace towpath
