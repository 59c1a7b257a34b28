#include "towpath/base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

namespace towpath {
namespace {

// The folder of this process in the hierarchy that `controller` names ("" for v2), from
// /proc/self/cgroup.
std::string cgroup_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {  // "3:cpu,cpuacct:/path", or "0::/path" for v2
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    std::stringstream names(line.substr(first + 1, second - first - 1));
    if (controller.empty() && second == first + 1) return line.substr(second + 1);
    for (std::string name; std::getline(names, name, ',');) {
      if (name == controller) return line.substr(second + 1);
    }
  }
  return "/";
}

// The quota of a folder in cores, or infinity. The kernel applies the least of all ancestors.
double quota_of(const std::string& folder) {
  if (std::ifstream file(folder + "/cpu.max"); file) {
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max" && period > 0) return std::stod(quota) / period;
  }
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"),
      period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0)
    return quota / period;
  return HUGE_VAL;
}

double least_quota(const std::string& root, std::string path) {
  double least = quota_of(root);
  while (path.size() > 1) {
    least = std::min(least, quota_of(root + path));
    path.resize(path.rfind('/'));
  }
  return least;
}

}  // namespace

int cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  const double quota = std::min({least_quota("/sys/fs/cgroup/cpu", cgroup_path("cpu")),
                                 least_quota("/sys/fs/cgroup/cpu,cpuacct", cgroup_path("cpu")),
                                 least_quota("/sys/fs/cgroup", cgroup_path(""))});
  if (quota < cores) cores = std::max(1, static_cast<int>(std::ceil(quota)));
  return cores;
}

}  // namespace towpath
