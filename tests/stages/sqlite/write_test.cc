#include "stages/sqlite/write.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "towpath/stage/object_rows.h"
#include "towpath/stage/stage_tester.h"

namespace towpath::sqlite {
namespace {

namespace fs = std::filesystem;
using Rows = StageTester::Rows;

const Schema kInput = {{"day", Type::kDate}, {"country", Type::kString}, {"orders", Type::kInt}};
const Rows kRows = {{{"day", "2024-01-01"}, {"country", "DE"}, {"orders", 3}},
                    {{"day", "2024-01-02"}, {"country", "it's \"FR\""}, {"orders", nullptr}},
                    {{"day", nullptr}, {"country", ""}, {"orders", -1}}};

// A folder that goes with the test.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "towpath-sqlite-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string database() const { return (path / "out" / "sales.db").string(); }
  size_t files() const {
    const fs::path folder = path / "out";
    if (!fs::exists(folder)) return 0;
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
  }
};

StageTester writer(const Folder& folder, const std::string& mode, Schema input = kInput) {
  return StageTester(
      stage_entry<Write>(),
      "sqlite.write: { path: " + folder.database() + ", table: daily, mode: " + mode + " }",
      std::move(input));
}

// All rows of a query: cells by |, rows by newline.
std::string query(const std::string& path, const std::string& sql, int columns) {
  Database database(path, Database::Open::kExisting);
  Statement statement = database.prepare(sql);
  std::string text;
  while (statement.step()) {
    for (int i = 0; i < columns; ++i) text += (i > 0 ? "|" : "") + statement.text(i);
    text += '\n';
  }
  return text;
}

void run_sql(const Folder& folder, const std::string& sql) {
  fs::create_directories(folder.path / "out");
  Database(folder.database(), Database::Open::kOrCreate).run(sql);
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

const std::string kDaily = "SELECT day, typeof(day), country, orders, typeof(orders) FROM daily";
const std::string kExpected =
    "2024-01-01|text|DE|3|integer\n"
    "2024-01-02|text|it's \"FR\"||null\n"
    "|null||-1|integer\n";

TEST_CASE("sqlite.write: makes folder, database and table and leaves nothing else behind") {
  Folder folder;
  for (const uint64_t size : {1, 2, 4096}) {
    fs::remove_all(folder.path / "out");
    REQUIRE(writer(folder, "create").write(kRows, size).rejects.empty());
    REQUIRE(query(folder.database(), kDaily, 5) == kExpected);
    REQUIRE(folder.files() == 1);
  }
}

TEST_CASE("sqlite.write: every type of column") {
  Folder folder;
  const Schema schema = {{"b", Type::kBool},   {"f", Type::kFloat},
                         {"x", Type::kBinary}, {"t", Type::kTimestamp},
                         {"o", Type::kObject}, {"odd \"name\"; --", Type::kInt}};
  StageTester tester = writer(folder, "create", schema);
  tester.write({{{"b", true},
                 {"f", 0.1},
                 {"x", Object::Binary{std::string("\0\xff", 2)}},
                 {"t", "2024-02-29T12:30:00Z"},
                 {"o", Object::Map{{"a", Object::Array{1, "z"}}}},
                 {"odd \"name\"; --", 7}}});
  REQUIRE(query(folder.database(),
                "SELECT b, f, hex(x), t, json_extract(o, '$.a[1]'), \"odd \"\"name\"\"; --\", "
                "typeof(f), typeof(x) FROM daily",
                8) == "1|0.1|00FF|2024-02-29T12:30:00Z|z|7|real|blob\n");
}

TEST_CASE("sqlite.write: replace puts the new table in the old one's place") {
  Folder folder;
  run_sql(folder, "CREATE TABLE daily (other); INSERT INTO daily VALUES (1)");
  for (int i = 0; i < 2; ++i) writer(folder, "replace").write(kRows);
  REQUIRE(query(folder.database(), kDaily, 5) == kExpected);
}

TEST_CASE("sqlite.write: append adds to the table and makes it when it is not there") {
  Folder folder;
  run_sql(folder, "CREATE TABLE daily (orders, country, day, more DEFAULT 'm')");
  writer(folder, "append").write(kRows);
  REQUIRE(query(folder.database(), "SELECT count(*), min(more) FROM daily", 2) == "3|m\n");
  Folder fresh;
  writer(fresh, "append").write(kRows);
  REQUIRE(query(fresh.database(), kDaily, 5) == kExpected);
}

TEST_CASE("sqlite.write: a table that doesn't fit is found before any work") {
  Folder folder;
  run_sql(folder, "CREATE TABLE daily (day, country)");
  const std::string before = contents(folder.database());
  REQUIRE_THROWS_WITH(writer(folder, "create").write(kRows),
                      Catch::Contains("already") && Catch::Contains("mode: replace or append"));
  REQUIRE_THROWS_WITH(writer(folder, "append").write(kRows), Catch::Contains("orders"));
  REQUIRE(contents(folder.database()) == before);
}

TEST_CASE("sqlite.write: rows that the table refuses are rejects and the others stay") {
  Folder folder;
  run_sql(
      folder,
      "CREATE TABLE daily (day PRIMARY KEY, country TEXT NOT NULL, orders CHECK (orders < 10))");
  const auto result = writer(folder, "append")
                          .write({{{"day", "2024-01-01"}, {"country", "DE"}, {"orders", 3}},
                                  {{"day", "2024-01-01"}, {"country", "FR"}, {"orders", 4}},
                                  {{"day", "2024-01-02"}, {"orders", 5}},
                                  {{"day", "2024-01-03"}, {"country", "DE"}, {"orders", 11}},
                                  {{"day", "2024-01-04"}, {"country", "DE"}, {"orders", 6}}},
                                 2);
  REQUIRE(query(folder.database(), "SELECT group_concat(orders) FROM daily", 1) == "3,6\n");
  REQUIRE(result.rejects.size() == 3);
  REQUIRE_THAT(result.rejects[0].reason, Catch::Contains("UNIQUE constraint failed: daily.day"));
  REQUIRE(result.rejects[0].line == 2);
  REQUIRE_THAT(result.rejects[1].reason, Catch::Contains("NOT NULL"));
  REQUIRE_THAT(result.rejects[2].reason, Catch::Contains("CHECK"));
}

TEST_CASE("sqlite.write: an epoch after every batch and a death behind each gives the same table") {
  for (const char* mode : {"create", "append", "replace"}) {
    Folder folder;
    if (std::string(mode) == "replace") run_sql(folder, "CREATE TABLE daily (old)");
    writer(folder, mode).write_in_epochs(kRows, 1);
    REQUIRE(query(folder.database(), kDaily, 5) == kExpected);
    REQUIRE(folder.files() == 1);
  }
}

// The stage by itself, to stop it where a test wants.
struct Running {
  struct Nothing final : BatchConsumer {
    void consume(int, BatchBuilder&) override {}
    void part(std::string_view) override {}
  } nothing;
  struct None final : Services {
    Counter none;
    Counter& counter(std::string_view) override { return none; }
    std::string temp_file() override { return {}; }
  } services;
  Outputs rejects{"db", {}, 4096, nothing};
  std::unique_ptr<Write> sink;

  void commit(uint64_t epoch) {
    sink->apply(epoch, rejects);
    sink->commit(epoch);
  }

  explicit Running(const Folder& folder, const char* mode = "replace",
                   const char* table = "daily") {
    Settings::Context context;
    context.pipeline = "test";
    context.stage = table;
    context.inputs = {kInput};
    context.now_micros = 5;
    sink = std::make_unique<Write>(
        Settings(Object(Object::Map{{"path", folder.database()}, {"table", table}, {"mode", mode}}),
                 context));
  }
  void open(std::optional<std::string_view> position = {}) { sink->open(services, position); }
  void write() { sink->write(batch_of_rows(kInput, kRows, "in"), rejects); }
};

TEST_CASE("sqlite.write: before the commit the database does not change and discard leaves it so") {
  Folder folder;
  run_sql(folder, "CREATE TABLE daily (old); INSERT INTO daily VALUES (1)");
  const std::string before = contents(folder.database());
  Running running(folder);
  running.open();
  running.write();
  REQUIRE(folder.files() == 2);  // the spool beside it
  running.sink->prepare(1, running.rejects);
  REQUIRE(contents(folder.database()) == before);
  running.sink->discard();
  running.sink->discard();
  REQUIRE(contents(folder.database()) == before);
  REQUIRE(folder.files() == 1);
}

TEST_CASE(
    "sqlite.write: rows behind the last prepare are cut off and a commit done twice adds once") {
  Folder folder;
  std::string position;
  {
    Running running(folder);
    running.open();
    running.write();
    position = running.sink->prepare(1, running.rejects);
    running.write();  // of an epoch that was never prepared
    running.write();
  }
  {
    Running running(folder);
    running.open(position);
    running.commit(1);
    running.write();  // of the second epoch
  }
  Running running(folder);
  running.open(position);  // the coordinator did not hear of the commit
  running.commit(1);
  running.sink->close();
  running.sink->close();
  REQUIRE(query(folder.database(), kDaily, 5) == kExpected);
}

TEST_CASE("sqlite.write: a database that it made goes when the run is stopped") {
  Folder folder;
  Running running(folder);
  running.open();
  running.write();
  running.sink->prepare(1, running.rejects);
  running.sink->apply(1, running.rejects);
  REQUIRE(fs::exists(folder.database()));
  running.sink->discard();
  REQUIRE(folder.files() == 0);
}

TEST_CASE("sqlite.write: what is prepared again before its commit goes in whole and once") {
  Folder folder;
  Running running(folder);
  running.open();
  for (int i = 0; i < 2; ++i) {
    running.write();
    running.sink->prepare(1, running.rejects);
  }
  running.commit(1);
  running.sink->close();
  REQUIRE(query(folder.database(), "SELECT count(*) FROM daily", 1) ==
          std::to_string(2 * kRows.size()) + "\n");
}

TEST_CASE("sqlite.write: two tables of one database are both prepared and both committed") {
  Folder folder;
  Running first(folder);
  Running second(folder, "replace", "weekly");
  for (Running* each : {&first, &second}) {
    each->open();
    each->write();
  }
  for (Running* each : {&first, &second}) each->sink->prepare(1, each->rejects);
  for (Running* each : {&first, &second}) each->commit(1);
  for (Running* each : {&first, &second}) each->sink->close();
  REQUIRE(query(folder.database(), "SELECT name FROM sqlite_master ORDER BY name", 1) ==
          "daily\nweekly\n");
}

TEST_CASE("sqlite.write: two writers of one table and names that can't be are refused") {
  Folder folder;
  Running first(folder);
  first.open();
  Running second(folder);
  REQUIRE_THROWS_WITH(second.open(), Catch::Contains("another process writes the same table"));
  const auto make = [&folder](Schema schema, const std::string& table) {
    StageTester(stage_entry<Write>(),
                "sqlite.write: { path: " + folder.database() + ", table: \"" + table + "\" }",
                schema)
        .write({});
  };
  REQUIRE_THROWS_AS(make({{"a", Type::kInt}, {"A", Type::kInt}}, "t"), Invalid);
  REQUIRE_THROWS_AS(make(kInput, ""), Invalid);
  REQUIRE_THROWS_AS(make(kInput, "sqlite_x"), Invalid);
  REQUIRE_THROWS_AS(make(kInput, "_towpath_epochs"), Invalid);
  make(kInput, "../odd/name ?");
  REQUIRE(query(folder.database(), "SELECT name FROM sqlite_master WHERE name LIKE '%odd%'", 1) ==
          "../odd/name ?\n");
}

TEST_CASE("sqlite.write: a file that is no database is named") {
  Folder folder;
  fs::create_directories(folder.path / "out");
  std::ofstream(folder.database()) << std::string(4096, 'x');
  REQUIRE_THROWS_WITH(writer(folder, "append").write(kRows),
                      Catch::Contains("sales.db") && Catch::Contains("not a database"));
}

TEST_CASE("sqlite.write: an unknown mode is refused") {
  Folder folder;
  REQUIRE_THROWS_AS(writer(folder, "truncate"), Invalid);
}

}  // namespace
}  // namespace towpath::sqlite
