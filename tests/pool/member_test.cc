#include "towpath/pool/member.h"

#include "helpers.h"

using namespace towpath;
using namespace towpath::pools;

namespace {

struct Nobody final : Receiver {
  void take(uint64_t, uint32_t, std::string, bool) override {}
  void fail(uint64_t, uint32_t, std::exception_ptr) override {}
};

// Its worker gets nothing: shipments are queued only, and the test says what it would.
struct Silent {
  Member member{1, {}, {}};
  // A shipment of one parcel of so many tasks.
  void ship(uint32_t tasks, Millis deadline = kForever) {
    Encoder arguments;
    for (uint32_t i = 0; i < tasks; ++i) encode(arguments, i);
    member.ship({Parcel{.receiver = std::make_shared<Nobody>(),
                        .count = tasks,
                        .arguments = arguments.take(),
                        .deadline = deadline}});
  }
  ~Silent() {
    member.process().kill();
    member.process().join();
  }
};

std::string results(uint32_t count) {
  Encoder out;
  for (uint32_t i = 0; i < count; ++i) encode(out, i);
  return out.take();
}

}  // namespace

TEST_CASE("Member: of results that make no sense none are delivered") {
  Silent silent;
  Member& member = silent.member;
  silent.ship(3);
  std::vector<Delivery> out;
  constexpr uint32_t kEnd = ResultsHead::kEnd;
  const ResultsHead bad = GENERATE(
      ResultsHead{.shipment = 0, .count = 2, .flags = kEnd}, ResultsHead{.shipment = 1, .count = 2},
      ResultsHead{.shipment = 0, .count = 4}, ResultsHead{.shipment = 0, .first = 1, .count = 2});
  CAPTURE(bad.shipment, bad.first, bad.count, bad.flags);
  CHECK_THROWS_AS(member.accept(bad, results(bad.count), out), Invalid);
  CHECK(out.empty());
  CHECK(member.tasks() == 3);
  CHECK_FALSE(member.was_of_use());
  member.accept({.shipment = 0, .count = 3, .flags = kEnd}, results(3), out);
  REQUIRE(out.size() == 1);
  CHECK(out.front().count == 3);
  CHECK(member.idle());
}

TEST_CASE("Member: who has tasks and was silent for a second is listened to once a second") {
  Silent silent;
  Member& member = silent.member;
  CHECK_FALSE(member.to_be_heard(Clock::now() + Millis{5'000}));  // without tasks
  silent.ship(1);
  const auto start = member.heard_at;
  const auto after = [&](int milliseconds) {
    return member.to_be_heard(start + Millis{milliseconds});
  };
  CHECK_FALSE(after(999));
  CHECK(after(1'000));
  CHECK_FALSE(after(1'999));
  CHECK(after(2'000));
  member.heard_at = start + Millis{2'500};
  CHECK_FALSE(after(3'000));
  CHECK_FALSE(after(3'499));
  CHECK(after(3'500));
}

TEST_CASE("Member: a deadline counts from the moment when the worker was free for the task") {
  Silent silent;
  Member& member = silent.member;
  const auto start = Clock::now();
  CHECK(member.expiry(start) == Clock::time_point::max());
  silent.ship(2, Millis{100});
  const auto shipped = Clock::now();
  const auto expiry = member.expiry(start + Millis{5'000});  // whenever it is asked for
  CHECK(expiry >= start + Member::kBeginPatience);
  CHECK(expiry <= shipped + Member::kBeginPatience);
  silent.ship(2, Millis{100});  // what waits behind it changes nothing
  CHECK(member.expiry(start + Millis{6'000}) == expiry);
  Silent patient;
  patient.ship(1, Millis{3'000});
  CHECK(patient.member.expiry(shipped) >= shipped + Millis{3'000});
  Silent without;
  without.ship(1);
  CHECK(without.member.expiry(shipped) == Clock::time_point::max());
}

TEST_CASE("Delivery: what finds no memory where it is taken fails there") {
  struct Poor final : Receiver {
    void take(uint64_t, uint32_t, std::string, bool) override { throw std::bad_alloc(); }
    void fail(uint64_t first, uint32_t count, std::exception_ptr error) override {
      failed = first + count;
      CHECK_THROWS_AS(std::rethrow_exception(error), std::bad_alloc);
    }
    uint64_t failed = 0;
  };
  const auto receiver = std::make_shared<Poor>();
  Delivery{receiver, 3, 4, "results"}.deliver();
  CHECK(receiver->failed == 7);
}
