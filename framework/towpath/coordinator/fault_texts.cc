#include "towpath/coordinator/fault_texts.h"

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/worker/open_batch.h"

namespace towpath {
namespace {

std::string describe_rows(const Ledger::Held& held, const ArenaView& arena) {
  std::string rows = format("rows {}-{}", held.first_row, held.first_row + held.rows - 1);
  const Batch batch = open_batch(held.batch, arena);
  const SourcePosition first = batch.position(0), last = batch.position(batch.rows() - 1);
  if (!first.file.empty())
    rows += format(", from {}:{} to {}:{}", first.file, first.line, last.file, last.line);
  return rows;
}

}  // namespace

std::string describe_death(const std::string& worker, const Host::Ended& ended,
                           const std::optional<Ledger::Held>& held, uint32_t max_deaths,
                           const ArenaView& arena) {
  std::string text =
      format("worker {} (pid {}): {} {}", worker, ended.pid,
             ended.exitcode < 0 ? "killed by" : "ended with", show_exit(ended.exitcode));
  if (!held) return text + " holding no lease";
  text += format(" holding lease {}", held->lease);
  if (held->kind == LeaseKind::kProcess) text += " (" + describe_rows(*held, arena) + ")";
  if (held->kind == LeaseKind::kFinish) text += " (the flush at the end of its input)";
  return text + format(", attempt {} of {}", held->deaths + 1, max_deaths);
}

std::string describe_stall(const Ledger::Stall& stall, const Plan& plan, const Ledger& ledger,
                           const Arena& arena) {
  if (!stall.waiting.empty() && arena.refused()) {
    return format(
        "the run stands still: the machine has no memory to give, and the arena holds {} of its "
        "{}{}; end other programs, or lower memory: in the YAML",
        show_bytes(arena.reserved()), show_bytes(plan.memory), stall.waiting);
  }
  if (!stall.waiting.empty()) {
    return format(
        "the run stands still: memory: {} is too little for it{}; raise memory: in the YAML",
        show_bytes(plan.memory), stall.waiting);
  }
  std::string text = "bug: the run stands still, though nothing waits for room;";
  for (const PlanEdge& edge : plan.edges) {
    const Ledger::EdgeCounts counts = ledger.edge_counts(edge.id);
    text += format("\n  edge {} -> {} port {}: {} batches queued, {} of {} rows taken",
                   plan.stages[static_cast<size_t>(edge.from_stage)].name,
                   plan.stages[static_cast<size_t>(edge.to_stage)].name, edge.to_port,
                   counts.queued, counts.taken, counts.released);
  }
  return text;
}

std::string describe_overflow(const Ledger::Overflow& overflow, const Plan& plan) {
  const PlanStage& stage = plan.stages[static_cast<size_t>(overflow.stage)];
  std::string what = format("stage \"{}\" ({}) keeps {} of state", stage.name,
                            stage.steps.back().kind, show_bytes(overflow.bytes));
  if (overflow.states > overflow.bytes) {
    what += format(", all stages together {}", show_bytes(overflow.states));
  }
  return format(
      "{}; memory: {} has room for {}, the rest is for batches on their way; raise memory: in "
      "the YAML (or --memory), or let the stage keep less: fewer keys, rows or columns",
      what, show_bytes(plan.memory), show_bytes(overflow.room));
}

}  // namespace towpath
