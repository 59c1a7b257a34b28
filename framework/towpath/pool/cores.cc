#include <algorithm>
#include <cstdlib>

#include "towpath/base/cpu_count.h"
#include "towpath/pool/options.h"

namespace towpath {

int cores_of_pools() {
  const int cores = cpu_count();
  const char* share = std::getenv("TOWPATH_CORES");
  if (share == nullptr) return cores;
  const int given = std::atoi(share);  // nonsense is 0: not given
  return given < 1 ? cores : std::min(cores, given);
}

}  // namespace towpath
