#pragma once
#include <functional>
#include <string>
#include <vector>

namespace towpath {

// Where the kernel tells of cgroups; elsewhere in tests.
struct CgroupFiles {
  std::string root = "/sys/fs/cgroup";
  std::string own = "/proc/self/cgroup";  // which are this process's
};

// The least of `limit_of(folder)` over this process's cgroup and all its ancestors, in the v2
// hierarchy and in those v1 hierarchies that `roots` names below the files' root; infinity where no
// folder sets one. The kernel applies the least. Reads files.
// Source     cgroups(7), proc(5).
double least_cgroup_limit(const CgroupFiles& files, const std::string& controller,
                          const std::vector<std::string>& roots,
                          const std::function<double(const std::string& folder)>& limit_of);

}  // namespace towpath
