#include "towpath/base/brief_look.h"

#include <catch2/catch.hpp>

using namespace towpath;

namespace {

// How often one look asks whether it is ready, which it is when asked for the `at`th time; 0:
// never.
struct Asked {
  int times = 0;
  bool found = false;
};
Asked look_until(BriefLook& look, uint64_t taken, int at) {
  Asked asked;
  asked.found = look.find(taken, [&] { return ++asked.times == at; });
  return asked;
}

// Looks that are left out until one asks again, which finds nothing.
int left_out(BriefLook& look) {
  for (int left_out = 0; left_out < 1'000; ++left_out) {
    if (look_until(look, 0, 0).times > 0) return left_out;
  }
  return -1;
}

// The time of so many pauses, at least.
Clock::duration time_of(int pauses) {
  auto least = Clock::duration::max();
  for (int round = 0; round < 200; ++round) {
    const auto begin = Clock::now();
    for (int i = 0; i < pauses; ++i) pause_briefly();
    least = std::min(least, Clock::now() - begin);
  }
  return least;
}

// Whether a look waits so long before it asks first that another's write after some 32 pauses is
// there. Each round has a look of its own, made ready by `prepare`: the machine may be busy in
// some.
enum class First { kSoon, kLate };
template <class Prepare>
First first_asked(Prepare prepare) {
  const auto late = time_of(32);
  for (int round = 0; round < 200; ++round) {
    BriefLook look;
    uint64_t taken = 0;
    prepare(look, taken);
    int times = 0;
    const auto begin = Clock::now();
    look.find(taken, [&] {
      ++times;
      return Clock::now() - begin >= late;
    });
    if (times > 1) return First::kSoon;
  }
  return First::kLate;
}

bool looks() { return cpu_count() > 1; }

}  // namespace

TEST_CASE("BriefLook: where there is one core it never looks") {
  if (looks()) return;
  BriefLook look;
  const Asked asked = look_until(look, 0, 1);
  CHECK_FALSE(asked.found);
  CHECK(asked.times == 0);
}

TEST_CASE("BriefLook: what is ready is found and no more asked for") {
  if (!looks()) return;
  BriefLook look;
  for (const int at : {1, 1, 2, 1, 5}) {
    const Asked asked = look_until(look, 0, at);
    CHECK(asked.found);
    CHECK(asked.times == at);
  }
}

TEST_CASE("BriefLook: looks that find nothing are left out more and more often") {
  if (!looks()) return;
  BriefLook look;
  const Asked first = look_until(look, 0, 0);
  CHECK_FALSE(first.found);
  CHECK(first.times > 1);
  for (const int expected : {1, 2, 4, 8, 16, 32, 64, 64, 64}) CHECK(left_out(look) == expected);
}

TEST_CASE("BriefLook: one that finds ends the leaving out") {
  if (!looks()) return;
  const int at = GENERATE(1, 2);
  BriefLook look;
  CHECK(left_out(look) == 0);
  CHECK(left_out(look) == 1);
  for (int i = 0; i < 2; ++i) CHECK(look_until(look, 0, at).times == 0);
  CHECK(look_until(look, 0, at).found);
  CHECK(left_out(look) == 0);
  CHECK(left_out(look) == 1);
  CHECK(left_out(look) == 2);
}

TEST_CASE("BriefLook: it looks later while that brings more records at a time") {
  if (!looks()) return;
  // All found at once.
  const auto found = [](uint64_t batch) {
    return [batch](BriefLook& look, uint64_t& taken) {
      for (int i = 0; i < 10; ++i) CHECK(look_until(look, taken += batch, 1).found);
      taken += 16;  // so many are worth the longest wait
    };
  };
  CHECK(first_asked([](BriefLook&, uint64_t&) {}) == First::kSoon);
  CHECK(first_asked(found(15)) == First::kLate);
  CHECK(first_asked(found(16)) == First::kSoon);  // these need no more
  CHECK(first_asked([&](BriefLook& look, uint64_t& taken) {
          found(15)(look, taken);
          for (int i = 0; i < 10; ++i) CHECK(look_until(look, taken, 2).found);
        }) == First::kSoon);  // waiting longer brought none
}
