#pragma once
#include "towpath/run/run_db.h"

namespace towpath {

// What a run was told must be what it is told when it goes on: throws Invalid, with the first line
// that differs, when its YAML is another. Sources look at their inputs for themselves.
void check_unchanged(const RecordedRun& run, const std::string& inputs);

}  // namespace towpath
