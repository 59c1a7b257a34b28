#pragma once
#include <optional>

#include "towpath/cli/commands.h"
#include "towpath/graph/plan.h"

namespace towpath::cli {

// Reads the config, applies what the command line says, plans. None: what is wrong was printed to
// stderr, all of it, and the command ends with exit code 2.
std::optional<Plan> load_plan(const ConfigArguments& arguments);

}  // namespace towpath::cli
