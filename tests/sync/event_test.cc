#include "towpath/sync/event.h"

#include <catch2/catch.hpp>
#include <thread>

#include "helpers.h"

using namespace towpath;

TEST_CASE("Event: wait returns once it is set, and at once from then on") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    Event event;
    const Event waiting;
    CHECK_FALSE(event.is_set());
    CHECK_FALSE(event.wait(Millis{0}));
    CHECK_FALSE(event.wait(Millis{-1}));
    CHECK_FALSE(event.wait(Millis{20}));
    Children children;
    children.start(
        method,
        [](Event it, Event ready) {
          ready.set();
          if (!it.wait(kSoon)) std::exit(2);
        },
        event, waiting);
    REQUIRE(waiting.wait(kSoon));
    event.set();
    CHECK(children.joined());
    CHECK(event.is_set());
    CHECK(event.wait(Millis{0}));
    event.set();
    CHECK(event.is_set());
    event.clear();
    event.clear();
    CHECK_FALSE(event.wait(Millis{0}));
  }
}

TEST_CASE("Event: who waited sees a set that a clear follows at once") {
  for (int round = 0; round < 200; ++round) {
    Event event;
    std::atomic<int> ready = 0;
    std::atomic<int> seen = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        ++ready;
        if (event.wait(kSoon)) ++seen;
      });
    }
    while (ready < 3) std::this_thread::yield();
    // Who has not begun to wait yet is let go by the second.
    event.set();
    event.clear();
    event.set();
    for (std::thread& thread : threads) thread.join();
    REQUIRE(seen == 3);
  }
}

TEST_CASE("Event: a signal's handler may end a wait") {
  Children children;
  const Event ready;
  Process& child = children.start(
      Method::kSpawn,
      [](Event it) {
        static Event* told;
        Event mine;
        told = &mine;
        ::signal(SIGINT, [](int) { told->set(); });
        it.set();
        std::exit(mine.wait(kSoon) ? 3 : 4);
      },
      ready);
  REQUIRE(ready.wait(kSoon));
  child.interrupt();
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == 3);
}

TEST_CASE("Event: SIGINT ends a process that waits") {
  Children children;
  const Event ready;
  Process& child = children.start(
      Method::kForkserver,
      [](Event it) {
        ::signal(SIGINT, SIG_DFL);
        it.set();
        (void)Event().wait();
      },
      ready);
  REQUIRE(ready.wait(kSoon));
  child.interrupt();
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == -SIGINT);
}
