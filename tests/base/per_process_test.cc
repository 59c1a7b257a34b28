#include "towpath/base/per_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <mutex>
#include <thread>
#include <vector>

using namespace towpath;

namespace {

struct Known {
  std::mutex mutex;
  int number = 0;
};
constinit PerProcess<Known> known;

}  // namespace

TEST_CASE("PerProcess: all threads of a process have one") {
  std::vector<Known*> seen(8);
  {
    std::vector<std::jthread> threads;
    for (Known*& each : seen) threads.emplace_back([&each] { each = &known.get(); });
  }
  for (const Known* each : seen) CHECK(each == &known.get());
}

TEST_CASE("PerProcess: a child of fork begins anew though the parent's is locked") {
  const std::lock_guard lock(known.get().mutex);
  known.get().number = 7;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::lock_guard its(known.get().mutex);
    ::_exit(known.get().number);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(known.get().number == 7);
}
