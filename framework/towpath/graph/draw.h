#pragma once
#include <string>

#include "towpath/graph/plan.h"

namespace towpath {

// The plan for people: each stage with its kinds and workers, and under it who reads which columns.
std::string draw_text(const Plan& plan);
// The same for Graphviz.
std::string draw_dot(const Plan& plan);

}  // namespace towpath
