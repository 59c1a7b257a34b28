#include "towpath/coordinator/planning.h"

#include <chrono>
#include <cstdlib>

#include "towpath/base/cpu_count.h"
#include "towpath/base/log.h"
#include "towpath/base/memory_size.h"
#include "towpath/graph/planner.h"
#include "towpath/host/plugin_child.h"
#include "towpath/input/glob.h"
#include "towpath/input/output_path.h"

namespace towpath {

PlanOptions options_here() {
  PlanOptions options;
  options.cpu_count = cpu_count();
  options.total_memory = memory_size();
  options.now_micros = std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  options.env = [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
  options.check_path = [](const std::string& pattern) { find_files({pattern}); };
  options.name_output = [](const std::string& path) {
    check_output_path(path);
    return real_path(path);
  };
  options.would_read = would_find;
  return options;
}

std::optional<Plan> plan_here(Document& document, const PlanOptions& options) {
  const PluginScan scan = load_catalogue();
  for (const PluginScan::Problem& problem : scan.problems) log(Level::kWarning, problem.message);
  return plan(document, scan.catalogue, options, detect_in_child);
}

}  // namespace towpath
