#pragma once
#include <cstdint>

#include "towpath/base/cgroup.h"

namespace towpath {

// Bytes of memory this process may use: the machine's RAM, or the limit of its cgroup (v1 or v2)
// where that is less. Reads files; call once and keep the answer.
uint64_t memory_size(const CgroupFiles& files = {});

}  // namespace towpath
