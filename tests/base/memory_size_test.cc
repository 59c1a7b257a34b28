#include "towpath/base/memory_size.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "towpath/base/cgroup.h"

using namespace towpath;

TEST_CASE("Memory size: it is some and no more than the machine has") {
  CHECK(memory_size() > 0);
  CHECK(memory_size() <= static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                             static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
}

TEST_CASE("Cgroup: the least of all ancestors counts and the root is one of them") {
  std::vector<std::string> asked;
  const double least = least_cgroup_limit("memory", {"memory"}, [&](const std::string& folder) {
    asked.push_back(folder);
    return folder == "/sys/fs/cgroup" ? 5.0 : 7.0;
  });
  CHECK(least == 5.0);
  CHECK(std::find(asked.begin(), asked.end(), "/sys/fs/cgroup/memory") != asked.end());
}
