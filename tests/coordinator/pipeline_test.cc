#include "towpath/coordinator/pipeline.h"

#include <dirent.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <stdexcept>
#include <thread>

#include "tests/process/helpers.h"
#include "towpath/base/error.h"

// Pipelines in this program, each with real processes.

using namespace towpath;

namespace {

// Rejects what its field names, and dies of a 13 when told to.
class PickyStage final : public RowStage {
 public:
  static StageSpec describe() {
    return StageSpec("test.picky")
        .summary("Rejects one number.")
        .field(field("no", FieldKind::kInt).must().about("The number."))
        .field(field("throws", FieldKind::kBool).default_value("false"))
        .main_field("no")
        .keeps_input()
        .row_to_row();
  }
  explicit PickyStage(const Settings& settings) : no_(settings.get_int("no")) {
    if (settings.get_bool("throws")) throw Invalid("made to be broken");
  }
  void row(const Row& in, Outputs& out) override {
    if (in.get<int64_t>("id") == no_) throw Invalid("not this one");
    out.main().forward_row(in.batch(), in.number());
  }

 private:
  const int64_t no_;
};
TOWPATH_STAGE(PickyStage)

// A run's folder is made in the working directory.
class InFolder {
 public:
  InFolder() : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder_.path());
  }
  ~InFolder() { std::filesystem::current_path(before_); }

 private:
  TestFolder folder_;
  std::filesystem::path before_;
};

Pipeline counting(int64_t rows, const char* name = "counting") {
  Pipeline pipeline(name);
  pipeline.add("generate", {{"rows", rows}, {"columns", Object(Object::Map{{"id", "sequence"}})}});
  return pipeline;
}

// Processes of this run that live: their titles by their pids.
std::map<int, std::string> workers_of(const std::string& pipeline) {
  std::map<int, std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    const std::string title = file_text("/proc/" + pid + "/cmdline");
    if (title.find("towpath: " + pipeline + "/") == 0) found[std::stoi(pid)] = title;
  }
  return found;
}

bool soon(const std::function<bool()>& holds) {
  const Deadline deadline(kSoon);
  while (!holds()) {
    if (deadline.passed()) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("Pipeline: the rows of a stage are read in the program in their order") {
  InFolder folder;
  Pipeline pipeline = counting(10'000);
  auto picky = pipeline.add("test.picky", {{"no", -1}}).from(pipeline.stage("generate")).workers(2);
  int64_t next = -1;
  Pipeline::Rows rows = pipeline.rows(picky);
  CHECK_THROWS_AS(rows.result(), Invalid);  // not before the end
  int64_t count = 0;
  for (const Row& row : rows) {
    const auto id = row.get<int64_t>("id");
    if (next >= 0 && id != next) FAIL("row " << id << " came where " << next << " was due");
    next = id + 1;
    ++count;
  }
  CHECK(count == 10'000);
  CHECK(rows.result().exit_code == 0);
  CHECK(rows.result().ledger.status == "done");
}

TEST_CASE("Pipeline: rows come once whatever is killed while they are read") {
  InFolder folder;
  Pipeline pipeline = counting(400'000, "killed");
  pipeline.option("epoch", "20ms");
  Pipeline::Rows rows = pipeline.rows(pipeline.stage("generate"));
  int64_t last = 0;
  int kills = 0;
  for (const Row& row : rows) {
    const auto id = row.get<int64_t>("id");
    if (id != ++last) FAIL("row " << id << " came where " << last << " was due");
    if (last % 60'000 != 0) continue;
    for (const auto& [pid, title] : workers_of("killed")) {
      if (::kill(pid, SIGKILL) == 0) ++kills;
    }
  }
  CHECK(last == 400'000);
  CHECK(kills > 3);
  CHECK(rows.result().exit_code == 0);
}

TEST_CASE("Pipeline: run gives the ledger and exit code 3 with rejects") {
  InFolder folder;
  Pipeline pipeline = counting(100);
  pipeline.option("max_rejects", 5);
  auto picky = pipeline.add("test.picky", {{"no", 42}}).from(pipeline.stage("generate"));
  pipeline.add("discard").from(picky);
  const RunResult result = pipeline.run();
  CHECK(result.exit_code == 3);
  CHECK(file_text(result.rejects).find("not this one") != std::string::npos);
  bool found = false;
  for (const StageSnapshot& stage : result.ledger.stages) {
    if (stage.name != "picky") continue;
    found = true;
    CHECK(stage.in == 100);
    CHECK(stage.out == 99);
    CHECK(stage.rejected == 1);
  }
  CHECK(found);
}

TEST_CASE("Pipeline: all that is wrong with it is thrown at once before anything starts") {
  InFolder folder;
  Pipeline pipeline = counting(10);
  pipeline.option("memroy", "1GiB");
  auto picky = pipeline.add("test.picky", {{"no", "many"}}).from(pipeline.stage("generate"));
  try {
    pipeline.rows(picky);
    FAIL("it was accepted");
  } catch (const Invalid& error) {
    const std::string what = error.what();
    CHECK(what.find("memroy") != std::string::npos);
    CHECK(what.find("many") != std::string::npos);
  }
  CHECK_THROWS_WITH(pipeline.run(), Catch::Contains("pipeline counting: error: "));
  CHECK_THROWS_AS(pipeline.run(), Invalid);
  CHECK_THROWS_AS(pipeline.stage("nobody"), Invalid);
  CHECK_FALSE(std::filesystem::exists(".towpath"));
}

TEST_CASE("Pipeline: a run that fails throws its message from run and from the rows") {
  InFolder folder;
  Pipeline pipeline = counting(10);
  auto picky =
      pipeline.add("test.picky", {{"no", 1}, {"throws", true}}).from(pipeline.stage("generate"));
  const auto read = [&] {
    for (const Row& row : pipeline.rows(picky)) FAIL("a row came: " << row.get<int64_t>("id"));
  };
  CHECK_THROWS_WITH(read(), Catch::Contains("picky") && Catch::Contains("made to be broken"));
  pipeline.add("discard").from(picky);
  CHECK_THROWS_WITH(pipeline.run(), Catch::Contains("made to be broken"));
}

TEST_CASE("Pipeline: an exception where the rows are read stops the run and comes out") {
  InFolder folder;
  Pipeline pipeline = counting(10'000'000'000, "thrown");
  const auto read = [&] {
    for (const Row& row : pipeline.rows(pipeline.stage("generate"))) {
      CHECK_FALSE(workers_of("thrown").empty());
      throw std::out_of_range("enough at " + std::to_string(row.get<int64_t>("id")));
    }
  };
  CHECK_THROWS_AS(read(), std::out_of_range);
  CHECK(soon([] { return workers_of("thrown").empty(); }));
}

TEST_CASE("Pipeline: rows that nobody reads end with their object") {
  InFolder folder;
  {
    Pipeline never_run = counting(1);
    Pipeline pipeline = counting(10'000'000'000, "unread");
    const Pipeline::Rows rows = pipeline.rows(pipeline.stage("generate"));
    CHECK(soon([] { return !workers_of("unread").empty(); }));
  }
  CHECK(soon([] { return workers_of("unread").empty(); }));
}

TEST_CASE("Pipeline: two run one after the other and two at once") {
  InFolder folder;
  const auto count = [](Pipeline::Rows rows) {
    int64_t rows_read = 0;
    for ([[maybe_unused]] const Row& row : rows) ++rows_read;
    return rows_read;
  };
  Pipeline first = counting(100, "first"), second = counting(200, "second");
  CHECK(count(first.rows(first.stage("generate"))) == 100);
  CHECK(count(second.rows(second.stage("generate"))) == 200);
  CHECK(count(first.rows(first.stage("generate"))) == 100);  // again
  Pipeline::Rows left = first.rows(first.stage("generate"));
  Pipeline::Rows right = second.rows(second.stage("generate"));
  CHECK(count(std::move(right)) == 200);
  CHECK(count(std::move(left)) == 100);
}

TEST_CASE("Pipeline: a program with threads may run several") {
  InFolder folder;
  std::array<int64_t, 3> counts{};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < counts.size(); ++i) {
    threads.emplace_back([&count = counts[i], i] {
      Pipeline pipeline = counting(1000 * static_cast<int64_t>(i + 1), "threads");
      for ([[maybe_unused]] const Row& row : pipeline.rows(pipeline.stage("generate"))) ++count;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(counts == std::array<int64_t, 3>{1000, 2000, 3000});
}
