#include "towpath/base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cgroup_folder.h"

using namespace towpath;

namespace {

const std::string kV2 = "0::/user.slice/job";
const std::string kV1 = "7:memory:/other\n4:cpu,cpuacct:/user.slice/job\n0::/unified";

}  // namespace

TEST_CASE("CPU count: it is at least one and no more than the machine has") {
  CHECK(cpu_count() >= 1);
  CHECK(cpu_count() <= static_cast<int>(std::thread::hardware_concurrency()));
}

TEST_CASE("CPU count: it obeys affinity") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(cpu_count() == 1);
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("CPU count: it obeys the quota of its cgroup rounded up") {
  const int all = cpu_count({"/none", "/none"});
  const std::vector<std::pair<int, int>> cores_of_quota{
      {1'000, 1}, {100'000, 1}, {100'001, 2}, {250'000, 3}, {1'000'000'000, all}};
  for (const auto& [quota, cores] : cores_of_quota) {
    CAPTURE(quota);
    CgroupFolder v2(kV2);
    v2.write("root/user.slice/job/cpu.max", std::to_string(quota) + " 100000");
    CHECK(cpu_count(v2.files()) == std::min(all, cores));
    for (const char* folder : {"root/cpu", "root/cpu,cpuacct"}) {
      CgroupFolder v1(kV1);
      v1.write(folder + std::string("/user.slice/job/cpu.cfs_quota_us"), std::to_string(quota));
      v1.write(folder + std::string("/user.slice/job/cpu.cfs_period_us"), "100000");
      CHECK(cpu_count(v1.files()) == std::min(all, cores));
    }
  }
}

TEST_CASE("CPU count: the quota of an ancestor or of a container's root counts as well") {
  for (const std::string folder : {"", "/user.slice"}) {
    CgroupFolder v2(kV2);
    v2.write("root/user.slice/job/cpu.max", "max 100000");
    v2.write("root" + folder + "/cpu.max", "100000 100000");
    CHECK(cpu_count(v2.files()) == 1);
    CgroupFolder v1(kV1);
    v1.write("root/cpu/user.slice/job/cpu.cfs_quota_us", "-1");
    v1.write("root/cpu/user.slice/job/cpu.cfs_period_us", "100000");
    v1.write("root/cpu" + folder + "/cpu.cfs_quota_us", "100000");
    v1.write("root/cpu" + folder + "/cpu.cfs_period_us", "100000");
    CHECK(cpu_count(v1.files()) == 1);
  }
}

TEST_CASE("CPU count: files without a quota or with none that makes sense change nothing") {
  const int all = cpu_count({"/none", "/none"});
  for (const std::string text : {"max 100000", "max", "", "100000", "0 100000", "-1 100000",
                                 "100000 0", "many cores", "\xff\xfe"}) {
    CAPTURE(text);
    CgroupFolder v2(kV2);
    v2.write("root/user.slice/job/cpu.max", text);
    CHECK(cpu_count(v2.files()) == all);
    CgroupFolder v1(kV1);
    v1.write("root/cpu/user.slice/job/cpu.cfs_quota_us", text);
    v1.write("root/cpu/user.slice/job/cpu.cfs_period_us", "0");
    CHECK(cpu_count(v1.files()) == all);
  }
  for (const std::string own : {"", "0", "0::", "0::/", "0::no/slash", "::::::", "4:cpu"}) {
    CAPTURE(own);
    CHECK(cpu_count(CgroupFolder(own).files()) == all);
  }
}
