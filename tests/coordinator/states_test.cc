#include "towpath/coordinator/states.h"

#include <catch2/catch.hpp>

using namespace towpath;

TEST_CASE("States: every pair of state and event is answered") {
  const auto check = [](const auto& lifecycle) {
    for (size_t state = 0; state < lifecycle.states.size(); ++state) {
      for (const uint8_t next : lifecycle.next[state]) {
        CHECK(next != 0);
        CHECK((next <= lifecycle.states.size() || next == kIgnoreEvent || next == kBugEvent));
      }
    }
  };
  check(kWorkerLifecycle);
  check(kLeaseLifecycle);
  check(kEdgeLifecycle);
  check(kRunLifecycle);
}

TEST_CASE("States: an event that can only come from a mistake names state and event") {
  CHECK_THROWS_WITH(kEdgeLifecycle.after(EdgeState::kEnded, EdgeEvent::kRelease),
                    Catch::Contains("\"release\" in state \"ended\""));
}

TEST_CASE("States: a fault on the way to the end still stops the run") {
  CHECK(kRunLifecycle.after(RunState::kEnding, RunEvent::kFault) == RunState::kFailing);
  CHECK(kRunLifecycle.after(RunState::kDone, RunEvent::kFault) == RunState::kDone);
}

TEST_CASE("States: once all is visible a signal comes too late to stop the run") {
  CHECK(kRunLifecycle.after(RunState::kEnding, RunEvent::kSignal) == RunState::kEnding);
}
