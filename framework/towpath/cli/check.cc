#include <iostream>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"
#include "towpath/cli/commands.h"
#include "towpath/cli/config_loader.h"
#include "towpath/graph/draw.h"

namespace towpath::cli {

int check(const ConfigArguments& arguments) {
  const std::optional<Plan> plan = load_plan(arguments);
  if (!plan) return 2;
  int processes = 0;
  for (const PlanStage& stage : plan->stages) processes += stage.workers;
  std::cout << format("{}: ok: {} stages, {} processes, {} of memory\n", arguments.config,
                      plan->written_stages(), processes, show_bytes(plan->memory));
  return 0;
}

int graph(const GraphArguments& arguments) {
  const std::optional<Plan> plan = load_plan(arguments.config);
  if (!plan) return 2;
  std::cout << (arguments.dot ? draw_dot(*plan) : draw_text(*plan));
  return 0;
}

}  // namespace towpath::cli
