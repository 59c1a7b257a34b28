#pragma once
#include <optional>
#include <string>

#include "towpath/config/document.h"
#include "towpath/graph/graph.h"
#include "towpath/graph/plan.h"

namespace towpath {

// What planning must know of this machine and this moment: cores, memory, environment, time, files.
PlanOptions options_here();

// Plans with the stages that are installed, asking plugins in child processes. None: the document
// has problems. Throws Error when plugins can't be found or run at all.
std::optional<Plan> plan_here(Document& document, const PlanOptions& options);

}  // namespace towpath
