#pragma once
#include <optional>

#include "towpath/config/document.h"
#include "towpath/graph/graph.h"
#include "towpath/graph/plan.h"
#include "towpath/stage/catalogue.h"

namespace towpath {

// The least an edge can have of the arena: one batch being written, one being read.
inline constexpr uint64_t kLeastRoom = 2 << 20;
// Between a member of a pool and the merge that joins them: a merge takes a copy of what it reads
// at once, so one batch will do.
inline constexpr uint64_t kLeastMergeRoom = 1 << 20;
// The least that stages which keep state have for it, all together.
inline constexpr uint64_t kLeastState = 2 << 20;

// Checks the document whole and says what is to be run. None when there is any problem: they stand
// in the document, all at once. Pure: starts nothing, loads nothing, asks the world only through
// `options` and `detector`.
//
// Memory     is shared out equally among edges. Edges of one output whose readers are single
//            processes hold the same batches in the same order, so they have one share together;
//            any other edge has one of its own. (From a pool's member to its merge: half a share.)
//            What stages keep while the run goes on is taken from these shares, down to kLeastRoom
//            for each (coordinator/ledger.h).
std::optional<Plan> plan(Document& document, const Catalogue& catalogue, const PlanOptions& options,
                         const SchemaDetector& detector);

}  // namespace towpath
