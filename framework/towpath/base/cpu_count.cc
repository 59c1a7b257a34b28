#include "towpath/base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace towpath {
namespace {

// The quota of a folder in cores, or infinity.
double quota_of(const std::string& folder) {
  if (std::ifstream file(folder + "/cpu.max"); file) {
    double quota = 0, period = 0;
    if (file >> quota >> period && quota > 0 && period > 0) return quota / period;  // or "max"
  }
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"),
      period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0)
    return quota / period;
  return HUGE_VAL;
}

}  // namespace

int cpu_count(const CgroupFiles& files) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  const double quota = least_cgroup_limit(files, "cpu", {"cpu", "cpu,cpuacct"}, quota_of);
  if (quota < cores) cores = std::max(1, static_cast<int>(std::ceil(quota)));
  return cores;
}

}  // namespace towpath
