#include "towpath/run/run_db.h"

#include <poll.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

using namespace towpath;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/towpath-db-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string path;
};

std::string ask(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  std::string answer;
  const auto add = [](void* to, int columns, char** values, char**) {
    auto& text = *static_cast<std::string*>(to);
    for (int i = 0; i < columns; ++i) text += std::string(values[i] ? values[i] : "null") + "|";
    return 0;
  };
  REQUIRE(sqlite3_exec(db, sql, add, &answer, nullptr) == SQLITE_OK);
  sqlite3_close(db);
  return answer;
}

}  // namespace

TEST_CASE("RunDb: what was flushed is on the disk while the run goes on") {
  const TempDir folder;
  const std::string path = folder.path + "/run.db";
  RunDb db(path);
  db.begin("id-1", "sales", "configs/sales.yaml", "towpath: 1", std::string("\x01\x00plan", 6));
  db.event("clean", "clean#2", "ended: signal 9 (SIGKILL)");
  db.flush();
  CHECK(ask(path, "SELECT id, pipeline, status, ended FROM run") == "id-1|sales|running|null|");
  CHECK(ask(path, "SELECT length(plan) FROM plan") == "6|");
  CHECK(ask(path, "SELECT stage, worker, what FROM event") ==
        "clean|clean#2|ended: signal 9 (SIGKILL)|");
}

TEST_CASE("RunDb: the end is written with its ledger or not at all") {
  const TempDir folder;
  const std::string path = folder.path + "/run.db";
  {
    RunDb db(path);
    db.begin("id-1", "sales", "", "", "");
    db.end("done", 3, "", {{"clean", 2, 1, 17, 100, 90, 8, 2, 4096}});
  }
  CHECK(ask(path, "SELECT status, exit_code FROM run") == "done|3|");
  CHECK(ask(path, "SELECT * FROM ledger") == "clean|2|1|17|100|90|8|2|4096|");
}

TEST_CASE("RunDb: an epoch is durable behind its files and takes the place of the one before") {
  const TempDir folder;
  const std::string path = folder.path + "/run.db";
  std::ofstream(folder.path + "/rejects") << "a line";
  std::filesystem::create_directory(folder.path + "/1");
  RunDb db(path);
  db.begin("id-1", "sales", "sales.yaml", "towpath: 1", "plan");
  db.epoch(1, false, "one", {folder.path + "/rejects"}, "");
  const RunDb::Ticket second = db.epoch(2, true, "two", {}, folder.path + "/1");
  db.flush();
  CHECK(db.is_durable(second));
  const RunDb::Ticket refused = db.applied(2, 7, 123, "counts", folder.path + "/rejects");
  const RunDb::Ticket shown = db.visible(2);
  db.flush();
  CHECK((db.is_durable(refused) && db.is_durable(shown)));
  const RecordedRun run = read_run(path);
  CHECK((run.epoch == 2 && run.final && run.visible && run.record == "two"));
  REQUIRE(run.applied.size() == 1);
  CHECK((run.applied[0].sink == 7 && run.applied[0].bytes == 123));
  CHECK(ask(path, "SELECT count(record) FROM epoch") == "1|");
  CHECK_FALSE(std::filesystem::exists(folder.path + "/1"));
}

TEST_CASE("RunDb: who waits for an epoch that can't be kept is woken and told") {
  const TempDir folder;
  RunDb db(folder.path + "/run.db");
  const RunDb::Ticket ticket = db.epoch(1, false, "one", {folder.path + "/nobody"}, "");
  pollfd woken{db.wake_fd().get(), POLLIN, 0};
  REQUIRE(::poll(&woken, 1, 20'000) == 1);
  CHECK_THROWS_WITH(db.is_durable(ticket), Catch::Contains("nobody"));
  CHECK_THROWS_WITH(db.event("", "", "more"), Catch::Contains("nobody"));
}

TEST_CASE("RunDb: a folder that is not there is an error that names the file") {
  CHECK_THROWS_WITH(RunDb("/nowhere/run.db"), Catch::Contains("/nowhere/run.db"));
}
