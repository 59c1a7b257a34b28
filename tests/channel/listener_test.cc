#include "towpath/channel/listener.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "connections.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/local_socket.h"
#include "towpath/channel/shared_key.h"
#include "towpath/process/process.h"

using namespace towpath;

namespace {

// Each way in which a Listener and a Client meet.
struct Way {
  const char* name;
  bool tcp;
  Transport transport;
  std::string address(const SocketFolder& folder) const {
    return tcp ? "tcp://127.0.0.1:0" : folder.address("listener");
  }
  ConnectOptions options(const std::string& key) const {
    return {.key = key, .plain_tcp = tcp && key.empty(), .transport = transport};
  }
};

std::vector<Way> ways() {
  return {{"local", false, Transport::kAuto},
          {"local ZeroMQ", false, Transport::kZeroMq},
          {"TCP", true, Transport::kAuto}};
}

std::vector<std::string> keys() { return {"", "a secret that both know"}; }

struct Secret {
  std::string key;
  bool plain_tcp = false;
  Transport transport = Transport::kAuto;
  ConnectOptions options() const { return {key, plain_tcp, transport}; }
  TOWPATH_FIELDS(key, plain_tcp, transport)
};

Secret secret(const ConnectOptions& options) {
  return {options.key, options.plain_tcp, options.transport};
}

void echo_client(std::string address, Secret secret) {
  Connection line = Client(address, secret.options(), kSoon);
  try {
    for (;;) line.send_bytes(line.recv_bytes());
  } catch (const EndOfStream&) {
  }
}

void stay_client(std::string address, Secret secret) {
  Connection line = Client(address, secret.options(), kSoon);
  line.send(1);
  for (;;) ::pause();
}

// Accepts one client while `enter` runs in another thread.
template <class F>
Connection accept_beside(Listener& listener, F enter) {
  auto accepted = std::async(std::launch::async, [&listener] { return listener.accept(kSoon); });
  enter();
  return accepted.get();
}

}  // namespace

TEST_CASE("Listener: a client in another process is echoed by all start methods") {
  const Way way = GENERATE(from_range(ways()));
  const std::string key = GENERATE(from_range(keys()));
  INFO(way.name << " " << key);
  const SocketFolder folder;
  Listener listener(way.address(folder), way.options(key));
  for (const Method method : methods()) {
    if (method == Method::kFork && way.name != std::string("local")) continue;
    Process child(Options{.method = method}, echo_client, listener.address(),
                  secret(way.options(key)));
    child.start();
    Connection line = listener.accept(kSoon);
    for (const size_t size : {size_t{0}, size_t{1}, size_t{100'000}, size_t{16} << 20}) {
      const std::string message(size, 'x');
      line.send_bytes(message);
      CHECK(line.recv_bytes(kSoon) == message);
    }
    if (way.tcp) {
      CHECK(listener.last_accepted() == "127.0.0.1");
    } else if (way.transport == Transport::kAuto) {
      CHECK(listener.last_accepted() == "pid " + std::to_string(child.pid()));
    }
    line.close();
    REQUIRE(child.join(kSoon));
    CHECK(child.exitcode() == 0);
  }
  CHECK(listener.refused() == 0);
}

TEST_CASE("Listener: a wrong key never gets in and the right one still does") {
  const Way way = GENERATE(from_range(ways()));
  INFO(way.name);
  const SocketFolder folder;
  Listener listener(way.address(folder), way.options("right"));
  Connection line = accept_beside(listener, [&] {
    for (const std::string wrong : {"wrong", "righ", "right "}) {
      CHECK_THROWS_AS(Client(listener.address(), way.options(wrong), kSoon), AuthenticationError);
    }
    ConnectOptions none = way.options("");
    CHECK_THROWS_AS(Client(listener.address(), none, kSoon), AuthenticationError);
    Connection right = Client(listener.address(), way.options("right"), kSoon);
    right.send(7);
  });
  CHECK(line.recv<int>(kSoon) == 7);
  CHECK(listener.refused() >= 1);
}

TEST_CASE("Listener: a client with a key does not trust a listener without") {
  const Way way = GENERATE(from_range(ways()));
  INFO(way.name);
  const SocketFolder folder;
  Listener listener(way.address(folder), way.options(""));
  Connection line = accept_beside(listener, [&] {
    CHECK_THROWS_AS(Client(listener.address(), way.options("key"), kSoon), AuthenticationError);
    Client(listener.address(), way.options(""), kSoon).send(1);
  });
  CHECK(line.recv<int>(kSoon) == 1);
}

TEST_CASE("Listener: a killed client is the end of its connection only") {
  const Way way = GENERATE(from_range(ways()));
  INFO(way.name);
  const SocketFolder folder;
  const ConnectOptions options = way.options("key");
  Listener listener(way.address(folder), options);
  Process first(stay_client, listener.address(), secret(options));
  first.start();
  Connection one = listener.accept(kSoon);
  Process second(stay_client, listener.address(), secret(options));
  second.start();
  Connection two = listener.accept(kSoon);
  CHECK(one.recv<int>(kSoon) == 1);
  CHECK(two.recv<int>(kSoon) == 1);
  first.kill();
  CHECK_THROWS_AS(one.recv<int>(kSoon), EndOfStream);
  CHECK_THROWS_AS(one.send(1), Closed);
  CHECK_FALSE(two.poll(Millis{0}));
  two.send(2);
  second.kill();
  CHECK_THROWS_AS(two.recv<int>(kSoon), EndOfStream);
  REQUIRE(first.join(kSoon));
  REQUIRE(second.join(kSoon));
}

TEST_CASE("Listener: its connections outlive it") {
  const Way way = GENERATE(from_range(ways()));
  const SocketFolder folder;
  auto listener = std::make_unique<Listener>(way.address(folder), way.options("key"));
  Connection client;
  Connection line = accept_beside(
      *listener, [&] { client = Client(listener->address(), way.options("key"), kSoon); });
  const std::string address = listener->address();
  listener.reset();
  line.send(std::string("still here"));
  CHECK(client.recv<std::string>(kSoon) == "still here");
  CHECK_THROWS_AS(Client(address, way.options("key"), Millis{2'000}), Error);
}

TEST_CASE("Listener: nobody in time is a Timeout on both sides") {
  const Way way = GENERATE(from_range(ways()));
  const SocketFolder folder;
  Listener listener(way.address(folder), way.options(""));
  CHECK_THROWS_AS(listener.accept(Millis{0}), Timeout);
  CHECK_THROWS_AS(listener.accept(Millis{20}), Timeout);
  CHECK_THROWS_AS(Client(listener.address(), way.options(""), Millis{50}), Timeout);
}

TEST_CASE("Listener: nobody there is Closed") {
  const SocketFolder folder;
  CHECK_THROWS_AS(Client(folder.address("none"), {}, kSoon), Closed);
  CHECK_THROWS_AS(Client(folder.address("none"), {.transport = Transport::kZeroMq}, kSoon), Closed);
  std::string address;
  {
    const Listener listener("tcp://127.0.0.1:0", {.key = "key"});
    address = listener.address();
  }
  CHECK_THROWS_AS(Client(address, {.key = "key"}, kSoon), Closed);
}

TEST_CASE("Listener: closing ends an accept that waits") {
  const Way way = GENERATE(from_range(ways()));
  const SocketFolder folder;
  Listener listener(way.address(folder), way.options(""));
  auto accepted = std::async(std::launch::async, [&listener] { return listener.accept(kSoon); });
  CHECK(accepted.wait_for(Millis{50}) == std::future_status::timeout);
  listener.close();
  CHECK_THROWS_AS(accepted.get(), Closed);
  CHECK_THROWS_AS(listener.accept(Millis{0}), Closed);
}

TEST_CASE("Listener: without a key over TCP it is the program's and no other gets in") {
  Listener listener("tcp://127.0.0.1:0");
  Process child(
      [](const std::string& address) { Client(address, {}, kSoon).send(std::string("hello")); },
      listener.address());
  child.start();
  Connection connection = listener.accept(kSoon);
  CHECK(connection.recv<std::string>(kSoon) == "hello");
  REQUIRE(child.join(kSoon));
  CHECK(child.error().value_or("none") == "none");
  // As another program has another key.
  CHECK_THROWS_WITH(Client(listener.address(), {.key = "of another program"}, kSoon),
                    Catch::Contains("of the program"));
  CHECK_THROWS_AS(Client(listener.address(), {.plain_tcp = true}, kSoon), AuthenticationError);
}

TEST_CASE("Listener: options that exclude each other are refused") {
  CHECK_THROWS_AS(
      Listener("tcp://127.0.0.1:0", {.key = "k", .transport = Transport::kSharedMemory}),
      Unsupported);
  CHECK_THROWS_AS(Listener("tcp://127.0.0.1:0", {.key = "k", .plain_tcp = true}), Invalid);
}

TEST_CASE("Listener: what is no address is Invalid") {
  const SocketFolder folder;
  for (const std::string address : {"127.0.0.1:80", "udp://127.0.0.1:1", "ipc://", "tcp://"}) {
    CHECK_THROWS_AS(Listener(address, {.key = "k"}), Invalid);
    CHECK_THROWS_AS(Client(address, {.key = "k"}, kSoon), Invalid);
  }
  CHECK_THROWS_AS(Client("", {}, kSoon), Invalid);
  CHECK_THROWS_AS(Listener("ipc:///" + std::string(200, 'x')), Invalid);
  CHECK_THROWS_AS(Listener("tcp://no-such-interface:0", {.key = "k"}), Invalid);
}

TEST_CASE("Listener: a second one at the same address is refused") {
  const Way way = GENERATE(from_range(ways()));
  const SocketFolder folder;
  const Listener listener(way.address(folder), way.options("key"));
  CHECK_THROWS_AS(Listener(listener.address(), way.options("key")), Invalid);
}

TEST_CASE("Listener: without an address it has one of its own and leaves nothing behind") {
  const Transport transport = GENERATE(Transport::kAuto, Transport::kZeroMq);
  std::string path;
  {
    Listener listener({}, {.transport = transport});
    path = socket_path(listener.address());
    CHECK(path.starts_with(shared_root()));
    CHECK(std::filesystem::exists(path));
    Connection client;
    Connection line = accept_beside(
        listener, [&] { client = Client(listener.address(), {.transport = transport}, kSoon); });
    client.send(3);
    CHECK(line.recv<int>(kSoon) == 3);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Listener: garbage at a local one is turned away") {
  const SocketFolder folder;
  const std::string address = folder.address("listener");
  Listener listener(address, {.key = "key"});
  Connection line = accept_beside(listener, [&] {
    for (int round = 0; round < 20; ++round) {
      const UniqueFd stranger = connect_locally(address, SOCK_SEQPACKET, kSoon);
      (void)receive_packet(stranger.get(), kSoon);
      send_packet(stranger.get(), random_bytes(static_cast<size_t>(round) * 7));
    }
    { const UniqueFd hangs_up = connect_locally(address, SOCK_SEQPACKET, kSoon); }
    Client(address, {.key = "key"}, kSoon).send(1);
  });
  CHECK(line.recv<int>(kSoon) == 1);
  CHECK(listener.refused() == 21);
}

TEST_CASE("Listener: who sends more than it takes is cut off") {
  const Way way = GENERATE(from_range(ways()));
  INFO(way.name);
  const SocketFolder folder;
  ConnectOptions options = way.options("key");
  options.max_message = 100'000;
  Listener listener(way.address(folder), options);
  Connection client;
  Connection line = accept_beside(
      listener, [&] { client = Client(listener.address(), way.options("key"), kSoon); });
  client.send_bytes(std::string(100'000, 'x'));
  CHECK(line.recv_bytes(kSoon).size() == 100'000);
  line.send_bytes(std::string(200'000, 'x'));
  CHECK(client.recv_bytes(kSoon).size() == 200'000);
  const size_t size = GENERATE(size_t{101'000}, size_t{40} << 20);
  auto sending = std::async(std::launch::async, [&] {
    try {
      client.send_bytes(std::string(size, 'x'), kSoon);
    } catch (const Closed&) {
      // Before all of it was sent.
    }
  });
  // ZeroMQ drops such a peer, and does not say why.
  if (way.transport == Transport::kAuto && !way.tcp) {
    CHECK_THROWS_WITH(line.recv_bytes(kSoon), Catch::Contains("more than 100000 bytes"));
    CHECK_THROWS_AS(line.recv_bytes(kSoon), EndOfStream);
  } else {
    CHECK_THROWS_AS(line.recv_bytes(kSoon), EndOfStream);
  }
  CHECK_THROWS_AS(line.recv_bytes(kSoon), EndOfStream);
  sending.get();
  CHECK_THROWS_AS(client.recv_bytes(kSoon), EndOfStream);
}

TEST_CASE("Listener: a packet that claims to be huge is turned away") {
  const SocketFolder folder;
  const std::string address = folder.address("listener");
  Listener listener(address);
  Connection line = accept_beside(listener, [&] {
    for (const int bits : {40, 62}) {
      const UniqueFd memfd(::memfd_create("claim", MFD_CLOEXEC));
      REQUIRE(::ftruncate(memfd.get(), off_t{1} << bits) == 0);
      const UniqueFd stranger = connect_locally(address, SOCK_SEQPACKET, kSoon);
      (void)receive_packet(stranger.get(), kSoon);
      char in_memfd = 'm';
      iovec part{&in_memfd, 1};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* const rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      const int fd = memfd.get();
      std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
      REQUIRE(::sendmsg(stranger.get(), &message, MSG_NOSIGNAL) == 1);
    }
    Client(address, {}, kSoon).send(1);
  });
  CHECK(line.recv<int>(kSoon) == 1);
  CHECK(listener.refused() == 2);
}

TEST_CASE("Listener: a local one is for this user alone, whoever may enter its folder") {
  const Transport transport = GENERATE(Transport::kAuto, Transport::kZeroMq);
  const SocketFolder folder;
  const std::string address = folder.address("listener");
  const std::string path = socket_path(address);
  REQUIRE(::chmod(std::filesystem::path(path).parent_path().c_str(), 0755) == 0);
  const mode_t before = ::umask(0);
  const Listener listener(address, {.transport = transport});
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  if (::geteuid() != 0) return;  // only root can be another
  Process stranger(
      [](const std::string& where, int type) {
        if (::setuid(65'534) != 0) throw_errno("setuid(65534)");
        (void)connect_locally(where, type, kSoon);
      },
      address, transport == Transport::kAuto ? SOCK_SEQPACKET : SOCK_STREAM);
  stranger.start();
  REQUIRE(stranger.join(kSoon));
  CHECK_THAT(stranger.error().value_or("it got in"), Catch::Contains("Permission denied"));
}

TEST_CASE("Listener: of two that find a dead one's address one takes it over") {
  const SocketFolder folder;
  for (int round = 0; round < 200; ++round) {
    const std::string address = folder.address(std::to_string(round));
    const std::string path = socket_path(address);
    {
      const UniqueFd dead(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
      sockaddr_un name{};
      name.sun_family = AF_UNIX;
      path.copy(name.sun_path, sizeof name.sun_path - 1);
      REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    }
    std::atomic<int> ready{0};
    const auto take = [&]() -> std::unique_ptr<Listener> {
      ++ready;
      while (ready < 2) {
      }
      try {
        return std::make_unique<Listener>(address);
      } catch (const Invalid&) {
        return nullptr;
      }
    };
    auto other = std::async(std::launch::async, take);
    const auto first = take();
    const auto second = other.get();
    REQUIRE((first != nullptr) != (second != nullptr));
    Listener& listener = first ? *first : *second;
    Connection line = accept_beside(listener, [&] { Client(address, {}, kSoon).send(round); });
    REQUIRE(line.recv<int>(kSoon) == round);
    REQUIRE_FALSE(std::filesystem::exists(path + ".lock"));
  }
}

TEST_CASE("Listener: an accepted local connection can be given to a child") {
  const SocketFolder folder;
  Listener listener(folder.address("listener"));
  Connection client;
  Connection line =
      accept_beside(listener, [&] { client = Client(listener.address(), {}, kSoon); });
  Process child([](Connection given) { given.send(std::string("from the child")); },
                std::move(line));
  child.start();
  CHECK(client.recv<std::string>(kSoon) == "from the child");
  REQUIRE(child.join(kSoon));
}

TEST_CASE("Listener: what is given to a child keeps the limit of its listener") {
  const SocketFolder folder;
  Listener listener(folder.address("listener"), {.max_message = 1'000});
  Connection client;
  Connection line =
      accept_beside(listener, [&] { client = Client(listener.address(), {}, kSoon); });
  Process child(
      [](Connection given) {
        if (given.recv_bytes(kSoon).size() != 1'000) std::exit(1);
        try {
          given.recv_bytes(kSoon);
        } catch (const Invalid&) {
          std::exit(7);
        }
      },
      std::move(line));
  child.start();
  client.send_bytes(std::string(1'000, 'x'));
  client.send_bytes(std::string(1'001, 'x'));
  REQUIRE(child.join(kSoon));
  CHECK(child.exitcode() == 7);
}

TEST_CASE("shared key: the proof is that of RFC 4231 and secrets differ by key and by purpose") {
  const auto hex = [](const std::string& bytes) {
    std::string text;
    for (const char c : bytes) {
      constexpr const char* kDigits = "0123456789abcdef";
      text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
      text.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
    }
    return text;
  };
  CHECK(hex(key_proof("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(key_proof(std::string(131, '\xaa'),
                      "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");

  const std::string secret = key_secret("a key", "one use");
  CHECK(secret.size() == 32);
  CHECK(secret == key_secret("a key", "one use"));
  CHECK(secret != key_secret("a key", "another use"));
  CHECK(secret != key_secret("another key", "one use"));
}
