#include "towpath/base/cpu_count.h"

#include <sched.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace towpath;

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
