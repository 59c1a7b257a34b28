#include "towpath/channel/descriptor_passing.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <thread>

#include "helpers.h"
#include "no_more_descriptors.h"
#include "towpath/channel/descriptor.h"
#include "towpath/channel/wait.h"

using namespace towpath;

TEST_CASE("Packet: bytes of any size arrive whole and in order") {
  const auto [a, b] = packet_pair();
  for (const size_t size : {0, 1, 65'535, 65'536, 65'537, 3'000'000}) {
    CAPTURE(size);
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7);
    send_packet(a.get(), bytes);
    send_packet(a.get(), "next");
    const auto packet = receive_packet(b.get(), kSoon);
    REQUIRE(packet);
    CHECK((packet->bytes == bytes));
    CHECK(packet->fds.empty());
    CHECK(receive_packet(b.get(), kSoon)->bytes == "next");
  }
}

TEST_CASE("Packet: descriptors arrive beside small and large bytes") {
  const auto [a, b] = packet_pair();
  for (const size_t size : {3, 100'000}) {
    const UniqueFd first(::memfd_create("first", 0)), second(::memfd_create("second", 0));
    REQUIRE(::write(first.get(), "one", 3) == 3);
    const int fds[] = {first.get(), second.get()};
    send_packet(a.get(), std::string(size, 'x'), fds);
    const auto packet = receive_packet(b.get(), kSoon);
    REQUIRE(packet);
    CHECK(packet->bytes.size() == size);
    REQUIRE(packet->fds.size() == 2);
    CHECK(::lseek(packet->fds[0].get(), 0, SEEK_END) == 3);
    CHECK(::lseek(packet->fds[1].get(), 0, SEEK_END) == 0);
    CHECK((::fcntl(packet->fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("Packet: as many descriptors as allowed and no more") {
  const auto [a, b] = packet_pair();
  std::vector<int> fds(kMaxPacketFds, a.get());
  send_packet(a.get(), std::string(100'000, 'x'), fds);
  CHECK(receive_packet(b.get(), kSoon)->fds.size() == kMaxPacketFds);
  fds.push_back(a.get());
  CHECK_THROWS_AS(send_packet(a.get(), "", fds), Invalid);
}

TEST_CASE("Packet: a larger one than is wanted is Invalid and gone") {
  const auto [a, b] = packet_pair();
  for (const size_t size : {101, 100'000}) {
    send_packet(a.get(), std::string(size, 'x'));
    send_packet(a.get(), std::string(100, 'y'));
    CHECK_THROWS_AS(receive_packet(b.get(), kSoon, 100), Invalid);
    CHECK(receive_packet(b.get(), kSoon, 100)->bytes == std::string(100, 'y'));
  }
}

TEST_CASE("Packet: where there is no room for its descriptors the error holds its bytes") {
#if defined(__SANITIZE_ADDRESS__)
  return;  // UBSan, beside it, takes a lack of descriptors for a lost object
#endif
  const auto [a, b] = packet_pair();
  send_packet(a.get(), "with one", std::array{a.get()});
  send_packet(a.get(), "next");
  const auto receive = [&b = b] {
    const NoMoreDescriptors limit;
    return receive_packet(b.get(), kSoon);
  };
  try {
    receive();
    FAIL("there was room");
  } catch (const LostDescriptors& lost) {
    CHECK(lost.bytes() == "with one");
    CHECK(lost.error_number() == EMFILE);
  }
  CHECK(receive()->bytes == "next");
}

TEST_CASE("Packet: waits end after their timeout") {
  const auto [a, b] = packet_pair();
  CHECK_FALSE(receive_packet(b.get(), Millis{0}).has_value());
  CHECK_FALSE(receive_packet(b.get(), Millis{10}).has_value());
  const std::string bytes(60'000, 'x');
  const auto fill = [&a = a, &bytes] {
    for (int i = 0; i < 1000; ++i) send_packet(a.get(), bytes, {}, Millis{10});
  };
  CHECK_THROWS_AS(fill(), Full);
}

TEST_CASE("Packet: the end comes after what was sent") {
  auto [a, b] = packet_pair();
  send_packet(a.get(), "last");
  a.reset();
  CHECK(hung_up(b.get()));
  CHECK(receive_packet(b.get(), kSoon)->bytes == "last");
  CHECK_THROWS_AS(receive_packet(b.get(), kSoon), EndOfStream);
  CHECK_THROWS_AS(send_packet(b.get(), "x"), Closed);
}

TEST_CASE("Packet: a signal does not end a wait") {
  const auto [a, b] = packet_pair();
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};
  struct sigaction before {};
  ::sigaction(SIGUSR1, &quiet, &before);
  const pthread_t waiter = ::pthread_self();
  std::thread sender([&a = a, waiter] {
    for (int i = 0; i < 100; ++i) ::pthread_kill(waiter, SIGUSR1);
    send_packet(a.get(), "after signals");
  });
  const auto packet = receive_packet(b.get(), kSoon);
  sender.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  REQUIRE(packet);
  CHECK(packet->bytes == "after signals");
}

TEST_CASE("Descriptor: taken once, in any order, and closed when nobody takes it") {
  const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
  OutgoingDescriptors out;
  const std::string bytes = to_bytes(std::vector<Descriptor>{{file.get()}, {-1}, {file.get()}});
  std::vector<UniqueFd> copies = out.take();
  REQUIRE(copies.size() == 2);
  const int second = copies[1].get();
  {
    const IncomingDescriptors in(std::move(copies));
    const auto taken = from_bytes<std::vector<Descriptor>>(bytes);
    IncomingDescriptors::decoded();
    CHECK(taken.at(1).fd == -1);
    CHECK(taken.at(2).fd == second);
    const UniqueFd owned(taken[0].fd), also_owned(taken[2].fd);
    CHECK_THROWS_AS(from_bytes<Descriptor>(to_bytes(0)), Invalid);
    CHECK_THROWS_AS(from_bytes<Descriptor>(to_bytes(5)), Invalid);
    CHECK_THROWS_AS(from_bytes<Descriptor>(to_bytes(-2)), Invalid);
  }
  CHECK_THROWS_AS(from_bytes<Descriptor>(to_bytes(0)), Invalid);
}

TEST_CASE("wait: names the descriptors that are ready") {
  const auto [a, b] = packet_pair();
  auto [c, d] = packet_pair();
  const int fds[] = {a.get(), -1, b.get(), d.get()};
  CHECK(wait(fds, Millis{0}).empty());
  send_packet(a.get(), "x");
  CHECK(wait(fds, kSoon) == std::vector<size_t>{2});
  c.reset();
  CHECK(wait(fds, kSoon) == std::vector<size_t>{2, 3});
  const int closed[] = {9999};
  CHECK_THROWS_AS(wait(closed, Millis{0}), Invalid);
}

TEST_CASE("Packet: what an end sent is received also when it closed with something unread") {
  auto [mine, its] = packet_pair();
  send_packet(mine.get(), "never read");
  send_packet(its.get(), "first");
  send_packet(its.get(), "last");
  its.reset();
  CHECK(receive_packet(mine.get(), kSoon)->bytes == "first");
  CHECK(receive_packet(mine.get(), kSoon)->bytes == "last");
  CHECK_THROWS_AS(receive_packet(mine.get(), kSoon), EndOfStream);
}
