#include "towpath/base/clock.h"

#include <catch2/catch.hpp>

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
  CHECK(Deadline(Millis{-5}).left() == Millis{0});
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
