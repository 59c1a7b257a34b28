#include "towpath/run/run_db.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <filesystem>
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

TEST_CASE("RunDb: a folder that is not there is an error that names the file") {
  CHECK_THROWS_WITH(RunDb("/nowhere/run.db"), Catch::Contains("/nowhere/run.db"));
}
