// What the forkserver loads before it forks, and what it takes to end it.
#include "towpath/process/forkserver.h"

#include <catch2/catch.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

#include "helpers.h"
#include "towpath/base/program_key.h"
#include "towpath/base/program_session.h"
#include "towpath/channel/connection.h"
#include "towpath/memory/shared_memory.h"

using namespace towpath;

namespace {

void nothing() {}

int loaded_by = 0;  // the process that ran load_table()
std::vector<int> table;

void load_table() {
  loaded_by = ::getpid();
  table.assign(1000, 7);
}
void load_more() { table.push_back(8); }  // in order: behind the other
std::optional<SharedMemory> shared_table;

void share_table() {
  shared_table.emplace(SharedMemory::create(4096));
  shared_table->buf()[0] = std::byte{7};
}

void fail() { throw std::runtime_error("no such table"); }
void start_a_thread() { std::thread(&run_for_ever).detach(); }
void crash() { ::raise(SIGKILL); }

// Puts things back, whatever a test has done.
struct WithoutPreload {
  ~WithoutPreload() { set_forkserver_preload({}); }
};

void report_table(Connection to) {
  to.send(std::tuple(loaded_by, ::getpid(), table.size(), table.empty() ? 0 : table.back()));
}
using Report = std::tuple<int, int, size_t, int>;

Report report_of_child(Method method) {
  auto [mine, its] = Pipe();
  Process process(Options{.method = method}, &report_table, std::move(its));
  process.start();
  const Report report = mine.recv<Report>(kSoon);
  CHECK(process.join(kSoon));
  return report;
}

}  // namespace

TEST_CASE("Forkserver: what it preloads is in all of its children and was loaded once") {
  const WithoutPreload afterwards;
  set_forkserver_preload({&load_table, &load_more});
  const auto [first_by, first, first_size, first_last] = report_of_child(Method::kForkserver);
  const auto [second_by, second, second_size, second_last] = report_of_child(Method::kForkserver);
  CHECK(first_size == 1001);
  CHECK(second_size == 1001);
  CHECK(first_last == 8);
  CHECK(first_by == Forkserver::of_this_process().pid());
  CHECK(second_by == first_by);
  CHECK(first != second);
  CHECK(table.empty());  // not here
  CHECK(std::get<2>(report_of_child(Method::kSpawn)) == 0);
}

TEST_CASE("Forkserver: a preload set later takes a new server and lets children run") {
  const WithoutPreload afterwards;
  PipeEnds ready;
  Process stays(
      Options{.daemon = true},
      [](Descriptor is_ready) {
        say_ready(is_ready);
        run_for_ever();
      },
      Descriptor{ready.write.get()});
  stays.start();
  REQUIRE(await_ready(ready));
  const int before = Forkserver::of_this_process().pid();
  set_forkserver_preload({&load_table});
  CHECK(std::get<2>(report_of_child(Method::kForkserver)) == 1000);
  CHECK(Forkserver::of_this_process().pid() != before);
  CHECK(stays.is_alive());
  stays.kill();
}

TEST_CASE("Forkserver: what a preload shares by name is in the program's session") {
  const WithoutPreload afterwards;
  set_forkserver_preload({&share_table});
  auto [mine, its] = Pipe();
  Process process(
      [](Connection to) {
        to.send(program_session_id());
        to.send(program_key().bytes());
        to.send(*shared_table);
        to.recv<int>();
      },
      std::move(its));
  process.start();
  CHECK(mine.recv<std::string>(kSoon) == program_session_id());
  CHECK(mine.recv<std::string>(kSoon) == program_key().bytes());
  const auto table = mine.recv<SharedMemory>(kSoon);
  CHECK(table.buf()[0] == std::byte{7});
  mine.send(0);
  REQUIRE(process.join(kSoon));
  CHECK(process.exitcode() == 0);
}

TEST_CASE("Forkserver: a preload that fails is the error of each start") {
  const WithoutPreload afterwards;
  set_forkserver_preload({&load_table, &fail});
  for (int i = 0; i < 2; ++i) {
    Process process(&nothing);
    CHECK_THROWS_WITH(process.start(), Catch::Contains("preload") &&
                                           Catch::Contains("std::runtime_error: no such table"));
  }
  set_forkserver_preload({&start_a_thread});
  Process threaded(&nothing);
  CHECK_THROWS_WITH(threaded.start(), Catch::Contains("started a thread"));
  set_forkserver_preload({&crash});
  Process crashed(&nothing);
  CHECK_THROWS_WITH(crashed.start(), Catch::Contains("killed by signal 9"));
  // The same object, once that is put right.
  set_forkserver_preload({});
  crashed.start();
  REQUIRE(crashed.join(kSoon));
  CHECK(crashed.exitcode() == 0);
}

TEST_CASE("Forkserver: SIGINT does not end it and after SIGTERM the next start has another") {
  Process first(&nothing);
  first.start();
  first.join();
  const int server = Forkserver::of_this_process().pid();
  ::kill(server, SIGINT);
  Process second(&nothing);
  second.start();
  REQUIRE(second.join(kSoon));
  CHECK(Forkserver::of_this_process().pid() == server);
  ::kill(server, SIGTERM);
  Process third(&nothing);
  third.start();
  REQUIRE(third.join(kSoon));
  CHECK(third.exitcode() == 0);
  CHECK(Forkserver::of_this_process().pid() != server);
  CHECK(Forkserver::of_this_process().last_end() == "was killed by signal 15");
}
