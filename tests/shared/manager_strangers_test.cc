// What a manager makes of those who are none of its clients, or bad ones.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "helpers.h"
#include "towpath/channel/listener.h"
#include "towpath/shared/manager.h"
#include "towpath/shared/manager_client.h"
#include "towpath/shared/manager_server.h"

using namespace towpath;
using namespace std::string_literals;

TEST_CASE("Manager: what is no request is Invalid on its connection and hurts nobody") {
  Manager manager;
  auto list = manager.list<int>({1});
  // Whatever stands for a greeting.
  for (const std::string& bytes :
       {std::string(), std::string("\x93"), std::string(100, '\xc1'), to_bytes(Object("hello"))}) {
    Connection connection = Client(manager.address());
    connection.send_bytes(bytes);
    const Object reply = connection.recv(kSoon);
    CHECK(reply.as_array()[0] == Object(1));
    CHECK_THROWS_AS(connection.recv(kSoon), EndOfStream);
  }
  // Whatever stands for a request.
  Connection connection = Client(manager.address());
  managed::Hello hello{.client = 77};
  hello.lease = true;
  connection.send(hello);
  CHECK(connection.recv(kSoon).as_array()[0] == Object(0));
  std::string deep(1000, '\x91');
  const std::vector<std::string> bad = {""s,
                                        "\xc1"s,
                                        "\x94\x01"s,
                                        std::string("\x94\x01\xa1x\x90", 5),
                                        deep,
                                        "\x94"
                                        "\x01"
                                        "\xa6"
                                        "append"
                                        "\x90"
                                        "\x90"s,  // no arguments
                                        "\x94"
                                        "\x01"
                                        "\xa6"
                                        "append"
                                        "\x91\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"
                                        "\x90"s,
                                        "\x94"
                                        "\x01"
                                        "\xa4"
                                        "size"
                                        "\x91\x01"
                                        "\x90"s,  // too many
                                        "\x94"
                                        "\x01"
                                        "\xa4"
                                        "size"
                                        "\x90"
                                        "\x91\x92"s,  // cut off in what it names
                                        "\x94"
                                        "\x01"
                                        "\xa4"
                                        "size"
                                        "\x90"
                                        "\x91\x92\x00\xcd\xff\xff"s,  // names one outside of them
                                        "\x94"
                                        "\xcd\xff\xff"
                                        "\xa4"
                                        "size"
                                        "\x90"
                                        "\x90"s,  // no such object
                                        "\x94"
                                        "\x00"
                                        "\xa4"
                                        "make"
                                        "\x91\xa3"
                                        "bad"
                                        "\x90"s,
                                        "\x94"
                                        "\x00"
                                        "\xa4"
                                        "none"
                                        "\x90"
                                        "\x90"s,
                                        "\x94"
                                        "\x00"
                                        "\xae"
                                        "make_described"
                                        "\x91\x93\xa0\xa0\x05"
                                        "\x90"s,
                                        "\x94"
                                        "\x01"
                                        "\xa6"
                                        "update"
                                        "\x93\x00\x92\x93\xa0\xa0\x05\x93\xa0\xa0\x05\x90"
                                        "\x90"s};
  for (const std::string& bytes : bad) {
    CAPTURE(&bytes - bad.data());
    connection.send_bytes(bytes);
    const Object reply = connection.recv(kSoon);
    CHECK(reply.as_array()[0] == Object(1));
    CHECK_FALSE(reply.as_array()[1].as_array()[1].as_string().empty());
  }
  CHECK(list.values() == std::vector<int>{1});
  // Two leases of one number, a lease that has ended, another manager.
  Connection second = Client(manager.address());
  second.send(hello);
  CHECK(second.recv(kSoon).as_array()[0] == Object(1));
  Connection third = Client(manager.address());
  third.send(managed::Hello{.client = 78});
  CHECK(third.recv(kSoon).as_array()[0] == Object(1));
  Connection fourth = Client(manager.address());
  fourth.send(managed::Hello{.client = 79, .instance = 5});
  CHECK_THAT(fourth.recv(kSoon).as_array()[1].as_array()[1].as_string(),
             Catch::Contains("another one is there"));
}

TEST_CASE("Manager: a client of another version is told so whatever its greeting holds") {
  Manager manager({.name = "Versions"});
  for (const std::string& greeting :
       {std::string("\x94\x01\x4d\x00\xc3", 5),               // version 1: had no program
        std::string("\x91\x00", 2),                           // shorter than any
        std::string("\x97\x03\xa1x\x90\xc0\x01\x02\x03")}) {  // longer, and other types
    Connection connection = Client(manager.address());
    connection.send_bytes(greeting);
    const std::string bytes = connection.recv_bytes(kSoon);
    Decoder reply(bytes);
    CHECK_THROWS_WITH(managed::read_reply(reply, "Versions"),
                      Catch::Contains("Versions is of another version of Towpath"));
    CHECK_THROWS_AS(connection.recv(kSoon), EndOfStream);
  }
}

TEST_CASE("ManagerServer: those who come and say nothing keep nobody out") {
  ManagerServer server({.address = "tcp://127.0.0.1:0", .connect = {.plain_tcp = true}});
  std::vector<Connection> silent;
  for (int i = 0; i < 140; ++i)
    silent.push_back(Client(server.address(), {.plain_tcp = true}, kSoon));
  CHECK(Manager::connect(server.address(), {.plain_tcp = true}, kSoon).list<int>({1}).size() == 1);
  // Who has been silent longest had to go.
  CHECK_THROWS_AS(silent.front().recv_bytes(Millis{4'000}), EndOfStream);
}

TEST_CASE("Manager: who sends more than it takes is cut off and hurts nobody") {
  const std::string address = GENERATE("", "tcp://127.0.0.1:0");
  Manager manager({.address = address, .max_message = 100'000});
  const auto list = manager.list<int>({1});
  for (const size_t size : {size_t{101'000}, size_t{40} << 20}) {
    Connection connection = Client(manager.address());
    try {
      connection.send_bytes(std::string(size, 'x'), kSoon);
    } catch (const Closed&) {
      // Before all of it was sent.
    }
    CHECK_THROWS_AS(connection.recv_bytes(kSoon), EndOfStream);
  }
  CHECK(list.size() == 1);
}
