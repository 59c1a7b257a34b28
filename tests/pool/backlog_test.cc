// How many tasks travel together: by the time that they take, and by who shares them.
#include "towpath/pool/backlog.h"

#include <limits>

#include "helpers.h"

using namespace towpath;
using namespace towpath::pools;

namespace {

constexpr int64_t kMicrosecond = 1'000;  // ns
constexpr uint64_t kAny = ~uint64_t{0};

int64_t twice(int64_t x) { return 2 * x; }

struct Nobody : Receiver {
  void take(uint64_t, uint32_t, std::string, bool) override {}
  void fail(uint64_t, uint32_t, std::exception_ptr) override {}
};

// One whose only function takes so long; -1: it is not known.
struct Timed {
  explicit Timed(int64_t nanoseconds) : code(backlog.number_of(code_of(&square))) {
    if (nanoseconds >= 0) backlog.measured(code, nanoseconds);
  }
  void add(uint32_t count, size_t bytes = 1, bool together = false) {
    Encoder arguments;
    for (uint32_t i = 0; i < count; ++i) arguments.string(std::string(bytes - 1, 'x'));
    Parcel parcel;
    parcel.receiver = receiver;
    parcel.code = code;
    parcel.count = count;
    parcel.first = added;
    parcel.arguments = arguments.take();
    parcel.together = together;
    parcel.deadline = deadline;
    added += count;
    backlog.add(std::move(parcel));
  }
  // How many tasks that worker is given; they are the next in order, each with its arguments.
  uint64_t give(const Backlog::Taker& taker) {
    uint64_t tasks = 0;
    for (const Parcel& parcel : backlog.shipment(taker)) {
      CHECK(parcel.first == given);
      Decoder in(parcel.arguments);
      for (uint32_t i = 0; i < parcel.count; ++i) in.skip();
      CHECK(in.at_end());
      tasks += parcel.count;
      given += parcel.count;
    }
    CHECK(backlog.tasks() == added - given);
    return tasks;
  }
  uint64_t give_idle(size_t equals = 1) {
    return give({.idle = true, .equals = equals, .most = kAny, .recycles = false});
  }

  Backlog backlog;
  std::shared_ptr<Receiver> receiver = std::make_shared<Nobody>();
  uint32_t code;
  Millis deadline = kForever;
  uint64_t added = 0;
  uint64_t given = 0;
};

}  // namespace

TEST_CASE("Backlog: as many tasks are worth a travel as make half a millisecond") {
  const auto worthwhile = [](int64_t nanoseconds) {
    const Timed one(nanoseconds);
    return one.backlog.worthwhile(one.code);
  };
  CHECK(worthwhile(-1) == 1);  // not known yet
  CHECK(worthwhile(0) == 8192);
  CHECK(worthwhile(50) == 8192);  // 10,000 would be half a millisecond
  CHECK(worthwhile(100) == 5'000);
  CHECK(worthwhile(10 * kMicrosecond) == 50);
  CHECK(worthwhile(200 * kMicrosecond) == 2);
  CHECK(worthwhile(500 * kMicrosecond) == 1);
  CHECK(worthwhile(5'000 * kMicrosecond) == 1);
  CHECK(worthwhile(std::numeric_limits<int64_t>::max()) == 1);
}

TEST_CASE("Backlog: a measure counts half and each function has its own") {
  Timed one(100 * kMicrosecond);
  Backlog& backlog = one.backlog;
  const uint32_t other = backlog.number_of(code_of(&twice));
  CHECK(other != one.code);
  CHECK(backlog.number_of(code_of(&square)) == one.code);
  CHECK(backlog.worthwhile(one.code) == 5);
  CHECK(backlog.worthwhile(other) == 1);
  backlog.measured(one.code, 0);
  CHECK(backlog.worthwhile(one.code) == 10);
  backlog.measured(one.code, 450 * kMicrosecond);  // 250
  CHECK(backlog.worthwhile(one.code) == 2);
  backlog.measured(other, 50 * kMicrosecond);
  CHECK(backlog.worthwhile(other) == 10);
  // What a worker says is not always true.
  backlog.measured(other, std::numeric_limits<int64_t>::max());
  backlog.measured(other, std::numeric_limits<int64_t>::max());
  CHECK(backlog.worthwhile(other) == 1);
}

TEST_CASE("Backlog: tasks that are long or not known go one by one to who is idle") {
  for (const int64_t nanoseconds : {int64_t{-1}, 5'000 * kMicrosecond}) {
    CAPTURE(nanoseconds);
    Timed one(nanoseconds);
    one.add(100);
    CHECK(one.give({.idle = false, .equals = 1, .most = kAny, .recycles = false}) == 0);
    CHECK(one.give_idle() == 1);
    CHECK(one.give_idle(4) == 1);
    CHECK(one.backlog.tasks() == 98);
  }
}

TEST_CASE("Backlog: equal workers share quick tasks alike") {
  Timed one(50);
  one.add(1'000);
  CHECK(one.give_idle(4) == 250);
  CHECK(one.give_idle(3) == 250);
  CHECK(one.give_idle(2) == 250);
  CHECK(one.give_idle(1) == 250);
  CHECK(one.give_idle() == 0);
  for (int i = 0; i < 1'000; ++i) one.add(1);  // as apply_async brings them
  CHECK(one.give_idle(4) == 250);
  CHECK(one.give_idle(3) == 250);
  one.add(3);
  CHECK(one.give_idle(503) == 1);
}

TEST_CASE("Backlog: no shipment is more than is worth its travel nor than is wanted") {
  Timed one(10 * kMicrosecond);
  for (int i = 0; i < 10; ++i) one.add(20);
  CHECK(one.give_idle() == 40);  // whole parcels
  CHECK(one.give_idle(2) == 40);
  CHECK(one.give({.idle = false, .equals = 1, .most = kAny, .recycles = false}) == 40);
  CHECK(one.give({.idle = true, .equals = 1, .most = 7, .recycles = true}) == 7);
  CHECK(one.give({.idle = true, .equals = 1, .most = 13, .recycles = true}) == 13);
  CHECK(one.give_idle(30) == 2);
}

TEST_CASE("Backlog: a parcel a little too large goes as a whole where nobody shares it") {
  Timed one(10 * kMicrosecond);
  one.add(100);
  CHECK(one.give_idle(1) == 100);
  one.add(102);
  CHECK(one.give_idle(1) == 50);
  CHECK(one.give({.idle = true, .equals = 1, .most = kAny, .recycles = true}) == 50);
  CHECK(one.give_idle(1) == 2);
}

TEST_CASE("Backlog: a chunk stays together however long its tasks are") {
  Timed one(5'000 * kMicrosecond);
  one.add(30, 1, true);
  one.add(30, 1, true);
  CHECK(one.give_idle(4) == 30);
  CHECK(one.give_idle(4) == 30);
}

TEST_CASE("Backlog: tasks with a deadline travel apart from those without") {
  Timed one(50);
  one.add(10);
  one.deadline = Millis{100};
  one.add(10);
  CHECK(one.give_idle() == 10);
  CHECK(one.give_idle() == 10);
}

TEST_CASE("Backlog: large arguments travel a few at a time and very large ones to who waits") {
  Timed one(50);
  for (int i = 0; i < 10; ++i) one.add(1, 10'000);
  CHECK(one.give_idle() == 2);  // 24 KiB
  CHECK(one.give_idle() == 2);
  for (int i = 0; i < 6; ++i) one.give_idle();
  CHECK(one.backlog.empty());
  one.add(1, 100'000);
  CHECK(one.give({.idle = false, .equals = 1, .most = kAny, .recycles = false}) == 0);
  CHECK(one.give_idle() == 1);
}

TEST_CASE("Backlog: what is put back is given first and what was cancelled never") {
  Timed one(50);
  one.add(10);
  one.add(10);
  auto pieces = one.backlog.shipment({.idle = true, .equals = 4, .most = kAny, .recycles = false});
  REQUIRE(pieces.size() == 1);
  CHECK(pieces.front().count == 5);
  one.backlog.put_back({pieces.front()});
  CHECK(one.backlog.tasks() == 20);
  CHECK(one.give_idle(4) == 5);
  CHECK(one.backlog.tasks_of(*one.receiver) == 15);
  one.receiver->cancelled = true;
  CHECK(one.backlog.shipment({.idle = true, .equals = 1, .most = kAny, .recycles = false}).empty());
  CHECK(one.backlog.tasks() == 0);
}

TEST_CASE("Backlog: a task that three workers did not begin is taken out alone") {
  Timed one(50);
  one.add(3);
  std::vector<Parcel> unbegun;
  for (Parcel& each :
       one.backlog.shipment({.idle = true, .equals = 1, .most = kAny, .recycles = false}))
    unbegun.push_back(std::move(each));
  CHECK_FALSE(Backlog::take_stalled(unbegun));
  CHECK_FALSE(Backlog::take_stalled(unbegun));
  const auto stalled = Backlog::take_stalled(unbegun);
  REQUIRE(stalled);
  CHECK(stalled->first == 0);
  CHECK(stalled->count == 1);
  REQUIRE(unbegun.size() == 1);
  CHECK(unbegun.front().first == 1);
  CHECK(unbegun.front().count == 2);
  CHECK_FALSE(Backlog::take_stalled(unbegun));  // the next begins at nothing
  std::vector<Parcel> none;
  CHECK_FALSE(Backlog::take_stalled(none));
}
