#include <sys/eventfd.h>

#include <catch2/catch.hpp>
#include <optional>
#include <thread>

#include "helpers.h"
#include "towpath/channel/dealer.h"
#include "towpath/channel/router.h"
#include "towpath/channel/wait.h"
#include "towpath/process/lifeline.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

// Says hello, then sends back what it gets, until the pill.
void echo(const std::string& address, const std::string& identity, Descriptor lifeline) {
  Dealer dealer(address, identity, lifeline.fd);
  dealer.send("hello");
  while (auto message = dealer.receive()) {
    if (*message == "pill") return;
    dealer.send(*message);
  }
}

std::string received(Router& router) {
  const auto message = router.receive(kSoon);
  return message ? message->from + ": " + message->bytes : "(nothing)";
}

}  // namespace

TEST_CASE("Router: talks with a Dealer by its identity") {
  const SocketFolder folder;
  Router router(folder.address());
  CHECK_FALSE(router.send("first", "too early"));  // nobody is there
  Dealer first(folder.address(), "first"), second(folder.address(), "second");
  CHECK_FALSE(router.receive().has_value());
  first.send("hello");
  CHECK(received(router) == "first: hello");
  second.send(std::string("\0bytes\xff", 7));
  const auto message = router.receive(kSoon);
  REQUIRE(message);
  CHECK(message->bytes == std::string("\0bytes\xff", 7));
  CHECK(router.send("first", "to first"));
  CHECK(router.send("second", ""));
  CHECK(first.receive(kSoon) == "to first");
  CHECK(second.receive(kSoon) == "");
  CHECK_FALSE(first.receive(Millis{0}).has_value());
  CHECK_FALSE(first.receive(Millis{20}).has_value());
  CHECK_FALSE(router.send("third", "nobody"));
}

TEST_CASE("Router: ten thousand messages each way keep their order") {
  const SocketFolder folder;
  constexpr int kMessages = 10'000;
  Router router(folder.address());
  std::thread peer([&] {
    Dealer dealer(folder.address(), "peer");
    for (int i = 0; i < kMessages; ++i) dealer.send(std::to_string(i));
    for (int i = 0; i < kMessages; ++i) {
      if (dealer.receive(kSoon) != std::to_string(i)) return;
    }
    dealer.send("all in order");
  });
  int in_order = 0;
  for (int i = 0; i < kMessages; ++i) {
    const auto message = router.receive(kSoon);
    if (message && message->bytes == std::to_string(i)) ++in_order;
  }
  CHECK(in_order == kMessages);
  for (int i = 0; i < kMessages; ++i) router.send("peer", std::to_string(i));
  CHECK(received(router) == "peer: all in order");
  peer.join();
}

TEST_CASE("Router: a poll loop that drains is woken for every message") {
  const SocketFolder folder;
  constexpr int kRounds = 2'000;
  Router router(folder.address());
  std::vector<std::thread> peers;
  for (const std::string name : {"a", "b", "c"}) {
    peers.emplace_back([&folder, name] {
      Dealer dealer(folder.address(), name);
      dealer.send("hello");
      for (int i = 0; i < kRounds; ++i) {
        if (!dealer.receive(kSoon)) return;
        dealer.send("answer");
      }
    });
  }
  int answers = 0;
  while (answers < 3 * (kRounds + 1)) {
    if (!wait_readable(router.fd(), kSoon)) break;
    // Sends between receives: what they swallow of ZeroMQ's signal must not be missed.
    while (auto message = router.receive()) {
      ++answers;
      router.send(message->from, "question");
    }
  }
  CHECK(answers == 3 * (kRounds + 1));
  for (std::thread& peer : peers) peer.join();
}

TEST_CASE("Router: a send does not hide a message that arrived before it") {
  const SocketFolder folder;
  Router router(folder.address());
  Dealer dealer(folder.address(), "peer");
  dealer.send("hello");
  REQUIRE(received(router) == "peer: hello");
  for (int i = 0; i < 200; ++i) {
    dealer.send("next");
    router.send("peer", "something");  // may read the signal of "next"
    REQUIRE(wait_readable(router.fd(), kSoon));
    while (!router.receive()) REQUIRE(wait_readable(router.fd(), kSoon));
    REQUIRE(dealer.receive(kSoon) == "something");
  }
  for (int i = 0; i < 200; ++i) {
    REQUIRE_FALSE(router.receive());
    dealer.send("next");
    for (int j = 0; j < i; ++j) CHECK_FALSE(router.send("nobody", "something"));  // may as well
    REQUIRE(wait_readable(router.fd(), kSoon));
    while (!router.receive()) REQUIRE(wait_readable(router.fd(), kSoon));
  }
}

TEST_CASE("Router: sending to a peer that is gone is false and harmless") {
  const SocketFolder folder;
  Router router(folder.address());
  std::optional<Dealer> dealer(std::in_place, folder.address(), "peer");
  dealer->send("hello");
  REQUIRE(received(router) == "peer: hello");
  dealer.reset();
  const Deadline deadline(kSoon);
  while (router.send("peer", "are you there")) {
    REQUIRE_FALSE(deadline.passed());
    wait_readable(router.fd(), Millis{1});
  }
  CHECK_FALSE(router.send("peer", "again"));
  Dealer other(folder.address(), "other");
  other.send("still works");
  CHECK(received(router) == "other: still works");
}

TEST_CASE("Router: a peer killed in the middle harms nobody") {
  const SocketFolder folder;
  const Lifeline lifeline;
  Process killed(Options{.daemon = true}, &echo, folder.address(), "killed", lifeline.watched());
  Process sane(Options{.daemon = true}, &echo, folder.address(), "sane", lifeline.watched());
  Router router(folder.address());
  killed.start();
  sane.start();
  for (int i = 0; i < 2; ++i) REQUIRE(router.receive(kSoon).has_value());
  for (int i = 0; i < 1000; ++i) router.send("killed", std::string(1000, 'x'));
  killed.kill();
  REQUIRE(killed.join(kSoon));
  const Deadline deadline(kSoon);
  while (router.send("killed", "x")) {
    REQUIRE_FALSE(deadline.passed());
    wait_readable(router.fd(), Millis{1});
    while (router.receive()) {
    }
  }
  REQUIRE(router.send("sane", "ping"));
  std::string from;
  while (from != "sane") {
    const auto message = router.receive(kSoon);
    REQUIRE(message);
    from = message->from;
  }
  router.send("sane", "pill");
  REQUIRE(sane.join(kSoon));
  CHECK(sane.exitcode() == 0);
}

TEST_CASE("Router: a second bind to an address is refused") {
  const SocketFolder folder;
  const Router router(folder.address());
  CHECK_THROWS_WITH(Router(folder.address()), Catch::Contains("another process listens"));
}

TEST_CASE("Router: addresses that can't work are Invalid") {
  CHECK_THROWS_AS(Router("/tmp/x"), Invalid);
  CHECK_THROWS_AS(Router("ipc://"), Invalid);
  CHECK_THROWS_WITH(Router("ipc:///tmp/" + std::string(200, 'x')), Catch::Contains("107 bytes"));
  CHECK_THROWS_AS(Router("ipc:///nowhere/to/be/found"), SystemError);
}

TEST_CASE("Dealer: identities that can't work are Invalid") {
  const SocketFolder folder;
  CHECK_THROWS_AS(Dealer(folder.address(), ""), Invalid);
  CHECK_THROWS_AS(Dealer(folder.address(), std::string(256, 'x')), Invalid);
  CHECK_THROWS_AS(Dealer(folder.address(), std::string("\0a", 2)), Invalid);
}

TEST_CASE("Dealer: an identity in use is not taken over") {
  const SocketFolder folder;
  Router router(folder.address());
  Dealer first(folder.address(), "same");
  first.send("first");
  REQUIRE(received(router) == "same: first");
  Dealer second(folder.address(), "same");
  second.send("second");
  CHECK_FALSE(router.receive(Millis{50}).has_value());
  CHECK(router.send("same", "for the first"));
  CHECK(first.receive(kSoon) == "for the first");
}

TEST_CASE("Dealer: the router's end is Closed") {
  const SocketFolder folder;
  std::optional<Router> router(std::in_place, folder.address());
  Dealer dealer(folder.address(), "peer");
  dealer.send("hello");
  REQUIRE(received(*router) == "peer: hello");
  router.reset();
  CHECK_THROWS_AS(dealer.receive(kSoon), Closed);
  CHECK_THROWS_AS(dealer.send("x"), Closed);
  CHECK_THROWS_AS(dealer.receive(Millis{0}), Closed);
}

TEST_CASE("Dealer: an address where nobody listens is Closed") {
  const SocketFolder folder;
  Dealer dealer(folder.address(), "peer");
  CHECK_THROWS_AS(dealer.receive(kSoon), Closed);
}

TEST_CASE("Dealer: wakes when its lifeline hangs up") {
  const SocketFolder folder;
  Router router(folder.address());
  Lifeline lifeline;
  Dealer dealer(folder.address(), "peer", lifeline.watched().fd);
  dealer.send("hello");
  REQUIRE(received(router) == "peer: hello");
  CHECK_FALSE(dealer.receive(Millis{10}).has_value());
  std::thread cutter([&] { lifeline.cut(); });
  CHECK_THROWS_AS(dealer.receive(kSoon), Closed);
  cutter.join();
}

TEST_CASE("Dealer: a child ends when the process that holds its lifeline is killed") {
  const SocketFolder folder;
  Router router(folder.address());
  Lifeline lifeline;
  Process process(Options{.daemon = true}, &echo, folder.address(), "peer", lifeline.watched());
  process.start();
  REQUIRE(received(router) == "peer: hello");
  lifeline.cut();
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 1);
  CHECK_THAT(process.error().value_or(""), Catch::Contains("has ended"));
}

TEST_CASE("Dealer: wakes for other descriptors, and a message wins") {
  const SocketFolder folder;
  Router router(folder.address());
  Dealer dealer(folder.address(), "peer");
  const UniqueFd control(::eventfd(0, EFD_CLOEXEC));
  const int others[] = {control.get()};
  CHECK(dealer.wait(others, Millis{10}) == Woke::kTimeout);
  const uint64_t one = 1;
  REQUIRE(::write(control.get(), &one, sizeof one) == sizeof one);
  CHECK(dealer.wait(others, kSoon) == Woke::kDescriptor);
  dealer.send("hello");
  REQUIRE(received(router) == "peer: hello");
  router.send("peer", "news");
  while (dealer.wait(others, kSoon) != Woke::kMessage) {
  }
  CHECK(dealer.wait(others, kSoon) == Woke::kMessage);  // until it is received
  CHECK(dealer.receive(Millis{0}) == "news");
  CHECK(dealer.wait(others, kSoon) == Woke::kDescriptor);
}

TEST_CASE("Dealer: what was sent just before its end arrives") {
  const SocketFolder folder;
  Router router(folder.address());
  Process process(
      [](const std::string& address) {
        Dealer dealer(address, "short");
        for (int i = 0; i < 1000; ++i) dealer.send("message");
      },
      folder.address());
  process.start();
  int count = 0;
  while (count < 1000 && router.receive(kSoon)) ++count;
  CHECK(count == 1000);
  CHECK(process.join(kSoon));
}

TEST_CASE("Dealer: sockets open after a fork work in parent and child") {
  const SocketFolder folder;
  // In a process that has one thread still: this one's sockets have made more.
  Process process(
      Options{.method = Method::kForkserver},
      [](const std::string& address) {
        Process child(Options{.daemon = true, .method = Method::kFork}, &echo, address, "child",
                      Descriptor{});
        Router router(address);  // listens, but has no thread yet
        child.start();
        if (received(router) != "child: hello") throw Invalid("no hello");
        router.send("child", "pill");
        if (!child.join(kSoon) || child.exitcode() != 0) throw Invalid("child did not end");
      },
      folder.address());
  process.start();
  REQUIRE(process.join(kSoon));
  CHECK(process.error().value_or("none") == "none");
}
