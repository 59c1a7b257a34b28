#include "towpath/base/memory_size.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "cgroup_folder.h"

using namespace towpath;

TEST_CASE("Memory size: it is some and no more than the machine has") {
  CHECK(memory_size() > 0);
  CHECK(memory_size() <= static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                             static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
}

TEST_CASE("Cgroup: the least of all ancestors counts and the root is one of them") {
  std::vector<std::string> asked;
  const double least = least_cgroup_limit({}, "memory", {"memory"}, [&](const std::string& folder) {
    asked.push_back(folder);
    return folder == "/sys/fs/cgroup" ? 5.0 : 7.0;
  });
  CHECK(least == 5.0);
  CHECK(std::find(asked.begin(), asked.end(), "/sys/fs/cgroup/memory") != asked.end());
}

TEST_CASE("Memory size: it obeys the limit of its cgroup") {
  CgroupFolder v2("0::/job");
  v2.write("root/job/memory.max", "1048576");
  CHECK(memory_size(v2.files()) == 1 << 20);
  v2.write("root/memory.max", "65536");
  CHECK(memory_size(v2.files()) == 65536);
  CgroupFolder v1("3:memory:/job");
  v1.write("root/memory/job/memory.limit_in_bytes", "2097152");
  CHECK(memory_size(v1.files()) == 2 << 20);
  const uint64_t all = memory_size({"/none", "/none"});
  v1.write("root/memory/job/memory.limit_in_bytes", "9223372036854771712");
  CHECK(memory_size(v1.files()) == all);
  v2.write("root/memory.max", "max").write("root/job/memory.max", "max");
  CHECK(memory_size(v2.files()) == all);
}
