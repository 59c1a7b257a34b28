#pragma once
#include "towpath/base/cgroup.h"

namespace towpath {

// Cores this process may use: affinity, and the CPU quota of its cgroup (v1 or v2), rounded up.
// At least 1. Reads files; call once and keep the answer.
int cpu_count(const CgroupFiles& files = {});

}  // namespace towpath
