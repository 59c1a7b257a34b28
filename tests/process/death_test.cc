// What is left when a process dies: nothing.
#include <sys/syscall.h>

#include <catch2/catch.hpp>

#include "helpers.h"
#include "towpath/process/forkserver.h"
#include "towpath/process/keeper.h"
#include "towpath/process/lifeline.h"

using namespace towpath;

namespace {

void stay(Descriptor ready) {
  say_ready(ready);
  run_for_ever();
}

// Starts a child that stays, hands its pidfd up, and stays too.
void be_middle(Descriptor up, Method method) {
  PipeEnds ready;
  Process child(Options{.method = method}, &stay, Descriptor{ready.write.get()});
  child.start();
  await_ready(ready);
  const int sentinel = child.sentinel();
  send_packet(up.fd, std::to_string(child.pid()), {&sentinel, 1});
  run_for_ever();
}

void be_keeper_owner(Descriptor up, const std::string& folder) {
  const Keeper keeper(folder);
  send_packet(up.fd, std::to_string(keeper.pid()));
  run_for_ever();
}

bool has_ended(int pid) {
  // A zombie that init has not yet reaped has ended, too.
  const std::string status = file_text("/proc/" + std::to_string(pid) + "/stat");
  return status.empty() || status.find(") Z ") != std::string::npos;
}

UniqueFd pidfd_of(int pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

}  // namespace

TEST_CASE("Death: the child of a killed process ends with it") {
  for (const Method outer : {Method::kForkserver, Method::kSpawn}) {
    for (const Method inner : methods()) {
      CAPTURE(method_name(outer), method_name(inner));
      auto [mine, its] = packet_pair();
      Process middle(Options{.daemon = true, .method = outer}, &be_middle, Descriptor{its.get()},
                     inner);
      middle.start();
      const std::optional<Packet> packet = receive_packet(mine.get(), kSoon);
      REQUIRE(packet);
      REQUIRE(packet->fds.size() == 1);
      CHECK_FALSE(wait_readable(packet->fds[0].get(), Millis{0}));
      middle.kill();
      CHECK(wait_readable(packet->fds[0].get(), kSoon));
      REQUIRE(middle.join(kSoon));
    }
  }
}

TEST_CASE("Death: the forkserver of a killed process ends") {
  auto [mine, its] = packet_pair();
  Process middle(
      Options{.daemon = true},
      [](Descriptor up) {
        Forkserver::of_this_process().warm_up();
        send_packet(up.fd, std::to_string(Forkserver::of_this_process().pid()));
        run_for_ever();
      },
      Descriptor{its.get()});
  middle.start();
  const std::optional<Packet> packet = receive_packet(mine.get(), kSoon);
  REQUIRE(packet);
  const UniqueFd server = pidfd_of(std::stoi(packet->bytes));
  REQUIRE(server);
  middle.kill();
  CHECK(wait_readable(server.get(), kSoon));
}

TEST_CASE("Lifeline: hangs up when its process is killed, and when it is cut") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    auto [mine, its] = packet_pair();
    Process owner(
        Options{.daemon = true, .method = method},
        [](Descriptor up) {
          const Lifeline lifeline;
          const int watched = lifeline.watched().fd;
          // A child by fork, were there one, would not hold the line open.
          std::optional<Process> child;
          if (methods().size() == 3) {
            child.emplace(Options{.method = Method::kFork}, [] { run_for_ever(); });
            child->start();
          }
          send_packet(up.fd, "line", {&watched, 1});
          run_for_ever();
        },
        Descriptor{its.get()});
    owner.start();
    const std::optional<Packet> packet = receive_packet(mine.get(), kSoon);
    REQUIRE(packet);
    CHECK_FALSE(hung_up(packet->fds.at(0).get()));
    owner.kill();
    CHECK(wait_readable(packet->fds.at(0).get(), kSoon));
    CHECK(hung_up(packet->fds.at(0).get()));
  }
  Lifeline lifeline;
  CHECK_FALSE(hung_up(lifeline.watched().fd));
  lifeline.cut();
  CHECK(hung_up(lifeline.watched().fd));
}

TEST_CASE("Keeper: removes the folder when released, and is gone") {
  const TestFolder parent;
  const std::string folder = parent.path() + "/run";
  std::filesystem::create_directories(folder + "/deep/deeper");
  std::filesystem::create_symlink("/etc", folder + "/link");
  int pid = 0;
  {
    const Keeper keeper(folder);
    pid = keeper.pid();
    CHECK(std::filesystem::exists(folder));
  }
  CHECK_FALSE(std::filesystem::exists(folder));
  CHECK(std::filesystem::exists("/etc/passwd"));
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("Keeper: removes the folder after its owner was killed, then ends") {
  for (const Method method : methods()) {
    CAPTURE(method_name(method));
    const TestFolder parent;
    const std::string folder = parent.path() + "/run";
    std::filesystem::create_directory(folder);
    auto [mine, its] = packet_pair();
    Process owner(Options{.daemon = true, .method = method}, &be_keeper_owner,
                  Descriptor{its.get()}, folder);
    owner.start();
    const std::optional<Packet> packet = receive_packet(mine.get(), kSoon);
    REQUIRE(packet);
    const int pid = std::stoi(packet->bytes);
    const UniqueFd keeper = pidfd_of(pid);
    REQUIRE(keeper);
    ::kill(pid, SIGTERM);  // it must not mind
    ::kill(pid, SIGINT);
    owner.kill();
    REQUIRE(wait_readable(keeper.get(), kSoon));
    CHECK(has_ended(pid));
    CHECK_FALSE(std::filesystem::exists(folder));
  }
}

TEST_CASE("Keeper: refuses what is not a folder of this user") {
  const TestFolder parent;
  std::ofstream(parent.path() + "/file") << "x";
  std::filesystem::create_symlink("/etc", parent.path() + "/link");
  CHECK_THROWS_AS(Keeper("relative"), Invalid);
  CHECK_THROWS_AS(Keeper(""), Invalid);
  CHECK_THROWS_AS(Keeper(parent.path() + "/file"), Invalid);
  CHECK_THROWS_AS(Keeper(parent.path() + "/link"), Invalid);
  CHECK_THROWS_AS(Keeper(parent.path() + "/none"), Invalid);
}
