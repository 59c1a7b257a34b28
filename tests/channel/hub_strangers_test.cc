// What a hub hears from who is no right client: it refuses that one, and serves the others.
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <random>

#include "random_text.h"
#include "resident_memory.h"
#include "sync/helpers.h"
#include "towpath/channel/dealer.h"
#include "towpath/channel/hub_place.h"
#include "towpath/channel/hub_record.h"
#include "towpath/channel/item_run.h"
#include "towpath/channel/message.h"
#include "towpath/channel/queue.h"

using namespace towpath;

namespace {

constexpr QueueOptions kZeroMq{.transport = Transport::kZeroMq};
constexpr uint64_t kMiB = uint64_t{1} << 20;

// Resident, of the hub.
uint64_t hub_memory() { return resident_bytes(running_hub().pid()); }

// Speaks to the hub without a Queue between.
class Stranger {
 public:
  Stranger()
      : dealer_(running_hub().address(),
                "stranger-" + std::to_string(::getpid()) + "-" + std::to_string(++count)) {
    dealer_.forget_rest_at_end();
  }
  Stranger& say(const HubRecord& record, std::string_view body = {}) {
    append_record(next_, record, body);
    return *this;
  }
  Stranger& bytes(std::string_view some) {
    next_.append(some);
    return *this;
  }
  Stranger& hello() { return say({.op = HubOp::kHello, .number = this_process()}); }
  Stranger& join(uint64_t maxsize = 0, bool joinable = false) {
    return say({.op = HubOp::kJoin, .number = maxsize, .other = joinable},
               queue_.handle().session + "/own-" + std::to_string(count));
  }
  Stranger& send() {
    dealer_.send(std::exchange(next_, {}));
    return *this;
  }
  // Why the hub refuses it; "" when it says nothing of that in time.
  std::string refusal(Millis timeout = kSoon) {
    const Deadline deadline(timeout);
    try {
      while (const auto message = dealer_.receive(deadline.left())) {
        HubRecords records(*message);
        records.number();
        while (const auto read = records.next()) {
          if (read->record.op == HubOp::kRefused) return std::string(read->body);
        }
      }
    } catch (const Closed&) {
      return "closed";
    }
    return "";
  }
  Dealer& dealer() { return dealer_; }

 private:
  static inline int count = 0;
  Queue<int> queue_{kZeroMq};  // for the name of its session
  Dealer dealer_;
  std::string next_;
};

// A queue of a right client's; another process echoes what is put.
class RightClients {
 public:
  RightClients() {
    children_.start(
        Method::kForkserver,
        [](Queue<int> it, Queue<int> back) {
          for (;;) back.put(it.get());
        },
        there_, back_);
    hub_ = running_hub();
    check();
  }
  // They go on, with the same hub.
  void check() {
    there_.put(++last_);
    REQUIRE(back_.get(kSoon) == last_);
    REQUIRE(running_hub().process == hub_.process);
  }

 private:
  Queue<int> there_{kZeroMq}, back_{kZeroMq};
  HubPlace hub_;
  Children children_;
  int last_ = 0;
};

}  // namespace

TEST_CASE("Hub: who does not say hello is not heard") {
  RightClients others;
  std::mt19937 random(3);
  Stranger stranger;
  for (int i = 0; i < 200; ++i) stranger.bytes(random_text(random, random() % 200)).send();
  stranger.bytes(std::string(10 * kMiB, 'x')).send();
  stranger.join().say({.op = HubOp::kShutDown}).send();
  others.check();
  CHECK(stranger.refusal(Millis{0}).empty());
  CHECK(stranger.hello().join().say({.op = HubOp::kItems}).send().refusal() != "");
  others.check();
}

TEST_CASE("Hub: what no client says is refused and named and the others go on") {
  RightClients others;
  const auto refused = [&others](Stranger& stranger) {
    const std::string why = stranger.send().refusal();
    others.check();
    return why;
  };
  std::string cut;
  append_record(cut, {.op = HubOp::kAskStatus}, "body");
  for (size_t size = 1; size < cut.size(); ++size)
    CHECK(refused(Stranger().hello().join().bytes(cut.substr(0, size))) != "");
  // Larger than what there is.
  HubRecord large{.op = HubOp::kPut, .number = 1, .size = 0xffff'ffff};
  std::string text(sizeof large, '\0');
  std::memcpy(text.data(), &large, sizeof large);
  CHECK(refused(Stranger().hello().join().bytes(text).bytes("x")) != "");
  // Handles that are none, or lead elsewhere.
  const std::string endless(100'000, 'x');
  for (const std::string& handle :
       {std::string(), std::string("/"), std::string("x"), std::string("../../etc/passwd"),
        std::string("a/b/c"), std::string("a/.."), endless})
    CHECK(refused(Stranger().hello().say({.op = HubOp::kJoin}, handle)) != "");
  // Queues it has not joined, joined twice, left out.
  for (const uint32_t queue : {1U, 77U, 0xffff'ffffU}) {
    CHECK(refused(Stranger().hello().join().say({.op = HubOp::kWant, .queue = queue})) != "");
    CHECK(refused(Stranger().hello().join().say({.op = HubOp::kJoin, .queue = queue}, "x")) != "");
  }
  CHECK(refused(Stranger().hello().join().join()) != "");
  // Items that are none, of a queue that is full, got and done and given back though never sent.
  CHECK(refused(Stranger().hello().join().say({.op = HubOp::kPut, .number = 1},
                                              "\xff\xff\xff\x7fx")) != "");
  CHECK(refused(Stranger().hello().join().say({.op = HubOp::kPut, .number = 0})) != "");
  CHECK(refused(Stranger().hello().join().say({.op = HubOp::kPut, .number = UINT64_MAX}, "x")) !=
        "");
  CHECK(refused(Stranger().hello().join(1).say({.op = HubOp::kPut, .number = 1},
                                               std::string(4, '\0'))) != "");
  for (const HubOp op : {HubOp::kGot, HubOp::kReturned, HubOp::kRoomReturned})
    CHECK(refused(Stranger().hello().join(1).say({.op = op, .number = 1})) != "");
  CHECK(refused(Stranger().hello().join().say({.op = HubOp::kAskRoom, .number = 1})) != "");
  // What only the hub says, and what nobody does.
  for (const uint32_t op : {static_cast<uint32_t>(HubOp::kItems), 99U, 0xffff'ffffU})
    CHECK(refused(Stranger().hello().join().say({.op = static_cast<HubOp>(op)})) != "");
}

TEST_CASE("Hub: records at random hurt nobody else") {
  RightClients others;
  std::mt19937 random(5);
  const auto number = [&random]() -> uint64_t {
    switch (random() % 5) {
      case 0:
        return 0;
      case 1:
        return UINT64_MAX - random() % 2;
      case 2:
        return random();
      default:
        return random() % 4;
    }
  };
  // What is right with most numbers, so that more follows.
  constexpr std::array kOften{HubOp::kAskRoom, HubOp::kPut,       HubOp::kPut,  HubOp::kWant,
                              HubOp::kWant,    HubOp::kAskStatus, HubOp::kDone, HubOp::kDoneAny};
  for (int round = 0; round < 300; ++round) {
    const bool bounded = random() % 2 == 0;
    Stranger stranger;
    stranger.hello().join(bounded ? number() : 0, random() % 2 == 0);
    for (int i = 0; i < 50; ++i) {
      const uint64_t items = 1 + random() % 3;
      std::string body;
      for (uint64_t item = 0; item < items; ++item)
        ItemRun::append(body, random_text(random, random() % 30));
      const bool odd = random() % 16 == 0;
      stranger.say({.op = odd ? static_cast<HubOp>(random() % 26) : kOften[random() % 8],
                    .queue = odd ? static_cast<uint32_t>(number()) : 0,
                    .token = number(),
                    .number = odd ? number() : items,
                    .other = number()},
                   body);
      if (random() % 4 == 0) stranger.send();
    }
    stranger.send();
    if (round % 20 == 0) others.check();
  }
  others.check();
}

TEST_CASE(
    "Hub: an item that can't be read is Invalid to its getter and none of the hub's business") {
  RightClients others;
  Queue<Object> queue(kZeroMq);
  std::string deep(100'000, '\x91');  // arrays in arrays
  deep.push_back('\xc0');
  for (const std::string& bytes : {deep, std::string("\xdd\xff\xff\xff\xff"), std::string("\xc1")})
    queue.put_bytes(bytes);
  queue.put(Object(3));
  for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(queue.get(kSoon), Invalid);
  CHECK(queue.get(kSoon) == Object(3));
  others.check();
}

TEST_CASE("Hub: a message above the limit ends its connection and nobody else's") {
  RightClients others;
  Stranger stranger;
  stranger.hello().send();
  stranger.dealer().send(std::string(static_cast<size_t>(kMaxMessageBytes) + 1, 'x'));
  CHECK(stranger.refusal() == "closed");
  others.check();
}

TEST_CASE("Hub: who sends without end neither fills its memory nor holds up others") {
  RightClients others;
  const uint64_t before = hub_memory();
  const auto flood = [&](Stranger& stranger, const std::string& message) {
    try {
      for (int i = 0; i < 50'000; ++i) {
        stranger.dealer().send(message);
        if (i % 5'000 == 0) others.check();
      }
    } catch (const Closed&) {
      // It was thrown out.
    }
  };
  std::string asks, junk(1'000, 'x');
  for (int i = 0; i < 25; ++i) append_record(asks, {.op = HubOp::kAskRoom, .number = 1});
  Stranger unknown, refused, asker;
  flood(unknown, junk);
  refused.hello().bytes("x").send();
  flood(refused, junk);
  asker.hello().join(1).say({.op = HubOp::kAskRoom, .number = 1}).send();
  REQUIRE(asker.dealer().receive(kSoon).has_value());  // there is room
  asker.say({.op = HubOp::kPut, .number = 1}, std::string(4, '\0')).send();
  flood(asker, asks);
  CHECK(asker.refusal().find("again and again") != std::string::npos);
  others.check();
  CHECK((hub_memory() < before + 64 * kMiB || kKeepsFreedMemory));
}
