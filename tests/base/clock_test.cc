#include "towpath/base/clock.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace towpath;

TEST_CASE("Deadline: one for ever never passes") {
  const Deadline deadline(kForever);
  CHECK_FALSE(deadline.passed());
  CHECK(deadline.left() == kForever);
  CHECK(deadline.poll_timeout() == -1);
}

TEST_CASE("Deadline: one of zero has passed at once") {
  const Deadline deadline(Millis{0});
  CHECK(deadline.passed());
  CHECK(deadline.left() == Millis{0});
  CHECK(deadline.poll_timeout() == 0);
  for (const Millis less : {Millis{-5}, Millis{-9'300'000'000'000}, Millis::min()}) {
    CHECK(Deadline(less).passed());
    CHECK(Deadline(less).left() == Millis{0});
  }
}

TEST_CASE("Deadline: what is left is rounded up and bounded for poll") {
  const Deadline deadline(Millis{60'000});
  CHECK_FALSE(deadline.passed());
  CHECK(deadline.left() > Millis{0});
  CHECK(deadline.left() <= Millis{60'000});
  CHECK(Deadline(Millis{3'000'000'000}).poll_timeout() == 1'000'000'000);
  const Deadline soon(Millis{1});
  while (!soon.passed())
    CHECK(soon.left() <= Millis{1});  // never a busy wait of 0 before it passes
  CHECK(soon.left() == Millis{0});
}

TEST_CASE("Deadline: a wait ends with what is waited for or in time") {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_so = false;
  const auto done = [&is_so] { return is_so; };
  std::unique_lock lock(mutex);
  CHECK_FALSE(Deadline(Millis::min()).wait(changed, lock, done));
  CHECK_FALSE(Deadline(Millis{0}).wait(changed, lock, done));
  CHECK_FALSE(Deadline(Millis{5}).wait(changed, lock, done));
  // More years than a clock counts, too.
  for (const Millis timeout : {Millis{60'000}, kForever - Millis{1}, kForever}) {
    is_so = false;
    std::thread other([&] {
      const std::lock_guard here(mutex);
      is_so = true;
      changed.notify_all();
    });
    CHECK(Deadline(timeout).wait(changed, lock, done));
    lock.unlock();
    other.join();
    lock.lock();
    CHECK(Deadline(Millis{0}).wait(changed, lock, done));
  }
}
