// What a manager serves, called as its server calls it: for what must happen in between.
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "helpers.h"
#include "towpath/shared/served_locks.h"
#include "towpath/shared/served_sync.h"

using namespace towpath;
using namespace towpath::managed;

namespace {

class TestCaller final : public Caller {
 public:
  explicit TestCaller(uint64_t number) : process(number) {}
  const ClientProcess& client() const override { return process; }
  bool gone() override {
    waited = true;
    return process.left;
  }
  void require_functions() const override {}
  std::shared_ptr<Referent> find(uint64_t) const override { return nullptr; }
  void keep_for_transit(const std::shared_ptr<Referent>&) const override {}
  void give_object(Encoder&, const std::shared_ptr<Referent>&) const override {}
  uint64_t instance() const override { return 1; }

  ClientProcess process;
  std::atomic<bool> waited = false;
};

// Calls it with these arguments, and gives what f makes of the call.
template <class F, class... A>
auto with_call(TestCaller& caller, F f, const A&... arguments) {
  Encoder message;
  message.array(sizeof...(A));
  (encode(message, arguments), ...);
  const std::vector<Held> held;
  Invocation call(message.bytes(), message.bytes(), held, caller);
  return f(call);
}

std::atomic<bool> acting = false;
std::atomic<bool> may_end = false;
void act() {
  acting = true;
  (void)await([] { return may_end.load(); });
}

}  // namespace

TEST_CASE("ServedLock: a client that ends at any instant leaves it free") {
  ServedLock lock(ServedLock::Kind::kRLock, rlock_type());
  TestCaller other(0);
  std::atomic<TestCaller*> dying = nullptr;
  std::atomic<bool> over = false;
  // A condition's waiter that had it twice gets it again.
  std::thread acquirer([&] {
    while (!over) {
      TestCaller* const it = dying;
      if (it == nullptr) {
        std::this_thread::yield();
        continue;
      }
      try {
        (void)lock.acquire({it->process.id, 1}, kSoon, *it, 2);
      } catch (const CallerGone&) {
        // It saw the end.
      }
      dying = nullptr;
    }
  });
  bool always_free = true;
  for (uint64_t round = 1; round <= 100'000 && always_free; ++round) {
    TestCaller caller(round);
    dying = &caller;
    for (uint64_t i = 0; i < round % 100; ++i) (void)lock.held_by({round, 1});
    caller.process.left = true;
    lock.forget(caller.process);
    while (dying != nullptr) std::this_thread::yield();
    always_free = static_cast<bool>(lock.acquire({0, 1}, Millis{0}, other));
    if (always_free) lock.release({0, 1}, other.process);
  }
  over = true;
  acquirer.join();
  CHECK(always_free);
}

TEST_CASE("BarrierProxy: one more than there are parties is of the next round while they act") {
  acting = false;
  may_end = false;
  TestCaller first(1), second(2), third(3);
  const auto barrier = with_call(first, barrier_type().make, int64_t{2},
                                 std::optional(locate_code(reinterpret_cast<const void*>(&act))));
  const auto wait = [&barrier](TestCaller& caller) {
    return with_call(
        caller,
        [&barrier](Invocation& call) {
          barrier->call("wait", call);
          return from_bytes<std::pair<int64_t, std::optional<std::string>>>(call.out.take()).first;
        },
        int64_t{kSoon.count()});
  };
  auto one = std::async(std::launch::async, [&] { return wait(first); });
  auto two = std::async(std::launch::async, [&] { return wait(second); });
  REQUIRE(await([] { return acting.load(); }));
  auto three = std::async(std::launch::async, [&] { return wait(third); });
  REQUIRE(await([&] { return third.waited.load(); }));
  may_end = true;
  CHECK(one.get() + two.get() == 1);
  third.waited = false;
  REQUIRE(await([&] { return third.waited.load(); }));
  TestCaller fourth(4);
  CHECK(wait(fourth) == 1);
  CHECK(three.get() == 0);
}
