#pragma once
#include <cstdint>
#include <vector>

#include "towpath/coordinator/ledger.h"
#include "towpath/graph/plan.h"
#include "towpath/memory/arena.h"
#include "towpath/observe/snapshot.h"

namespace towpath {

// What the ledger says now, stage by stage in plan order; members of a keyed pool added up.
// `restarts` has one number per stage.
Snapshot take_snapshot(const Plan& plan, const Ledger& ledger, const Arena& arena,
                       const std::vector<int64_t>& restarts);

}  // namespace towpath
