// What is no Client at a Listener: garbage, half a greeting, silence. Right ones get in beside it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <future>
#include <random>

#include "helpers.h"
#include "random_text.h"
#include "towpath/channel/dealer.h"
#include "towpath/channel/listener.h"
#include "towpath/channel/local_socket.h"

using namespace towpath;

namespace {

struct Way {
  const char* name;
  bool tcp;
  ConnectOptions options;
  std::string address(const SocketFolder& folder) const {
    return tcp ? "tcp://127.0.0.1:0" : folder.address("listener");
  }
};

std::vector<Way> ways() {
  return {{"TCP", true, {.key = "key"}},
          {"TCP without a key", true, {.plain_tcp = true}},
          {"local ZeroMQ", false, {.key = "key", .transport = Transport::kZeroMq}},
          {"local ZeroMQ without a key", false, {.transport = Transport::kZeroMq}}};
}

// A bare stream socket that is connected there.
UniqueFd stranger_at(const std::string& address) {
  if (!address.starts_with("tcp://")) return connect_locally(address, SOCK_STREAM, kSoon);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
    throw_errno("connect(" + address + ")");
  return socket;
}

// What it can't take any more is left out.
void say(const UniqueFd& socket, const std::string& bytes) {
  (void)::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// ZMTP 3: signature, version, mechanism, role, filler.
std::string greeting(const std::string& mechanism) {
  std::string text("\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01", 12);
  text += mechanism;
  text.resize(32, '\0');
  text.resize(64, '\0');
  return text;
}

// What says something, or nothing, and stays or goes.
std::vector<UniqueFd> strangers(const std::string& address, std::mt19937& random) {
  std::vector<UniqueFd> stay;
  const std::string hello = greeting("NULL");
  const std::vector<std::string> sayings{
      "",
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      random_text(random, 10),
      random_text(random, 1'000),
      random_text(random, 100'000),
      hello.substr(0, 1),
      hello.substr(0, 10),
      hello.substr(0, 12),
      hello.substr(0, 40),
      hello,
      greeting("CURVE"),
      greeting("PLAIN"),
      hello + random_text(random, 300),
      greeting("CURVE") + random_text(random, 300),
      // A frame of eight exabytes; a READY of 4 GiB; a message of a hundred parts.
      hello + std::string("\x02\x7f\xff\xff\xff\xff\xff\xff\xff", 9) + "x",
      hello + std::string("\x06\0\0\0\1\0\0\0\0", 9) + "\5READY",
      hello + std::string("\x04\x1c\5READY\xbSocket-Type\0\0\0\6DEALER", 30) +
          [] {
            std::string parts;
            for (int i = 0; i < 100; ++i) parts += std::string("\x01\1x", 3);
            return parts;
          }(),
  };
  for (const std::string& saying : sayings) {
    stay.push_back(stranger_at(address));
    say(stay.back(), saying);
    say(stranger_at(address), saying);  // and hangs up
  }
  return stay;
}

}  // namespace

TEST_CASE("Listener: strangers who say anything or nothing keep no right client out") {
  const Way way = GENERATE(from_range(ways()));
  INFO(way.name);
  std::mt19937 random(17);
  const SocketFolder folder;
  Listener listener(way.address(folder), way.options);
  std::vector<UniqueFd> stay = strangers(listener.address(), random);
  for (int i = 0; i < 100; ++i) stay.push_back(stranger_at(listener.address()));
  for (int round = 0; round < 3; ++round) {
    auto client = std::async(std::launch::async, [&] {
      Connection line = Client(listener.address(), way.options, kSoon);
      line.send(round);
      return line.recv<int>(kSoon);
    });
    Connection line = listener.accept(kSoon);
    CHECK(line.recv<int>(kSoon) == round);
    // Nor do they hurt connections that stand.
    for (UniqueFd& fd : strangers(listener.address(), random)) stay.push_back(std::move(fd));
    line.send(round + 1);
    CHECK(client.get() == round + 1);
  }
  stay.clear();
  CHECK_THROWS_AS(listener.accept(Millis{20}), Timeout);
}

TEST_CASE("Listener: who comes near and stays silent holds up nobody") {
  const SocketFolder folder;
  const std::string address = folder.address("listener");
  Listener listener(address);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(connect_locally(address, SOCK_SEQPACKET, kSoon));
  auto client = std::async(std::launch::async, [&] { return Client(address, {}, kSoon); });
  const auto begin = Clock::now();
  Connection line = listener.accept(kSoon);
  CHECK(Clock::now() - begin < Millis{4'000});  // less than one of them may take
  line.send(1);
  CHECK(client.get().recv<int>(kSoon) == 1);
  // Nor do they make accept last longer than it may.
  const auto before = Clock::now();
  CHECK_THROWS_AS(listener.accept(Millis{50}), Timeout);
  CHECK(Clock::now() - before < Millis{2'000});
}

TEST_CASE("Listener: who says hello over ZeroMQ and comes no further holds up nobody") {
  const SocketFolder folder;
  const ConnectOptions options{.transport = Transport::kZeroMq};
  Listener listener(folder.address("listener"), options);
  std::vector<Dealer> halves;
  for (int i = 0; i < 20; ++i) {
    halves.emplace_back(listener.address(), "half-" + std::to_string(i));
    halves.back().forget_rest_at_end();
    halves.back().send(std::string("\x91\x01", 2));  // what a Client says first
  }
  auto client =
      std::async(std::launch::async, [&] { return Client(listener.address(), options, kSoon); });
  const auto begin = Clock::now();
  Connection line = listener.accept(kSoon);
  CHECK(Clock::now() - begin < Millis{4'000});
  line.send(1);
  CHECK(client.get().recv<int>(kSoon) == 1);
  const auto before = Clock::now();
  CHECK_THROWS_AS(listener.accept(Millis{50}), Timeout);
  CHECK(Clock::now() - before < Millis{2'000});
}
