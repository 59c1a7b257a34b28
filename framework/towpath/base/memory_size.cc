#include "towpath/base/memory_size.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace towpath {
namespace {

// The limit of a folder in bytes, or infinity: v2 writes "max", v1 a number past any memory.
double limit_of(const std::string& folder) {
  for (const char* name : {"/memory.max", "/memory.limit_in_bytes"}) {
    std::ifstream file(folder + name);
    if (double limit = 0; file >> limit) return limit;
  }
  return HUGE_VAL;
}

}  // namespace

uint64_t memory_size(const CgroupFiles& files) {
  const auto ram = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                   static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const double limit = least_cgroup_limit(files, "memory", {"memory"}, limit_of);
  return limit < static_cast<double>(ram) ? static_cast<uint64_t>(limit) : ram;
}

}  // namespace towpath
