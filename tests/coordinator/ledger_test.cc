#include "towpath/coordinator/ledger.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/coordinator/play.h"

using namespace towpath;

namespace {

// Runs a play to its end with workers in random order, killing at random; returns what each sink
// saw.
std::map<int, std::vector<std::string>> run_all(const Plan& plan, unsigned seed, int reads,
                                                int kills) {
  Play play(plan);
  std::mt19937 random(seed);
  std::map<int, std::vector<std::string>> seen;
  for (int turns = 0; turns < 100'000; ++turns) {
    play.answer();
    if (play.ledger.all_ended()) {
      play.ledger.check_balance();
      return seen;
    }
    std::vector<Seat> ready;
    for (const auto& [seat, leases] : play.held) {
      if (!leases.empty()) ready.push_back(seat);
    }
    if (ready.empty()) {
      FAIL("nothing runs");
    }
    const Seat seat = ready[random() % ready.size()];
    const PlanStage& stage = plan.stages[static_cast<size_t>(seat.stage)];
    if (kills > 0 && stage.role != Role::kSink && random() % 5 == 0) {
      --kills;
      play.held[seat].clear();
      play.ledger.worker_gone(seat, true);
      play.ledger.worker_restarted(seat);
      play.ledger.worker_ready(seat, -1);
      continue;
    }
    const Lease lease = play.held[seat].front();
    Commit commit = Play::commit_of(lease);
    if (lease.kind == LeaseKind::kRead) {
      const uint64_t number = std::stoull("0" + play.ledger.token(seat.stage).value_or(""));
      if (number < static_cast<uint64_t>(reads)) {
        commit.outputs.push_back(Play::small(0, stage.name + std::to_string(number), 1));
        commit.cursor = std::to_string(number + 1);
      } else {
        commit.cursor = std::to_string(number);
        commit.ended = true;
      }
    } else if (lease.kind == LeaseKind::kProcess && stage.role == Role::kSink) {
      seen[seat.stage].push_back(lease.batch.image);
    } else if (lease.kind == LeaseKind::kProcess) {
      for (const char* piece : {"a", "b"}) {
        commit.outputs.push_back(Play::small(0, lease.batch.image + piece, 1));
      }
    } else if (lease.kind == LeaseKind::kFinish) {
      commit.outputs.push_back(Play::small(0, stage.name + "-end", 1));
    }
    play.held[seat].pop_front();
    REQUIRE(play.ledger.commit(seat, std::move(commit)));
  }
  FAIL("the play does not end");
  return seen;
}

}  // namespace

TEST_CASE("Ledger: outputs keep the order of the input whoever commits first") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int work = builder.stage("w", Role::kStage, 4);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, work);
  builder.edge(work, sink);
  const auto expected = run_all(builder.plan, 1, 20, 0);
  REQUIRE(expected.at(sink).size() == 41);
  CHECK(expected.at(sink).front() == "s0a");
  CHECK(expected.at(sink)[1] == "s0b");
  CHECK(expected.at(sink).back() == "w-end");
  for (unsigned seed = 2; seed < 40; ++seed) {
    CHECK(run_all(builder.plan, seed, 20, 30) == expected);
  }
}

TEST_CASE("Ledger: fan-out by copy gives every reader everything and fan-in goes by sequence") {
  PlanBuilder builder;
  const int one = builder.stage("one", Role::kSource);
  const int two = builder.stage("two", Role::kSource);
  const int left = builder.stage("left", Role::kStage, 2);
  const int both = builder.stage("both", Role::kStage, 3);
  const int sink = builder.stage("sink", Role::kSink);
  const int copy = builder.stage("copy", Role::kSink);
  builder.edge(one, left);
  builder.edge(two, both);
  builder.edge(left, both);
  builder.edge(both, sink);
  builder.edge(left, copy);
  const auto expected = run_all(builder.plan, 1, 10, 0);
  REQUIRE(expected.at(copy).size() == 21);
  // All of source one comes before all of source two, though `two` stands first in `from`.
  CHECK(expected.at(sink).front() == "one0aa");
  CHECK(expected.at(sink)[42] == "two0a");
  CHECK(expected.at(sink).back() == "both-end");
  for (unsigned seed = 2; seed < 40; ++seed) {
    CHECK(run_all(builder.plan, seed, 10, 20) == expected);
  }
}

TEST_CASE("Ledger: a stale commit changes nothing") {
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  const Seat seat = line.writer;
  const Lease lease = play.held[seat].front();
  Commit commit = Play::commit_of(lease);
  commit.outputs.push_back(Play::small(0, "x", 1));
  SECTION("of an older attempt") {
    play.ledger.worker_gone(seat, true);
    play.ledger.worker_restarted(seat);
    play.ledger.worker_ready(seat, -1);
    play.answer();
    CHECK_FALSE(play.ledger.commit(seat, std::move(commit)));
    CHECK(play.ledger.edge_counts(0).released == 0);
    CHECK(play.held[seat].back().id == lease.id);
    CHECK(play.held[seat].back().attempt == lease.attempt + 1);
  }
  SECTION("twice") {
    CHECK(play.ledger.commit(seat, Commit(commit)));
    CHECK_FALSE(play.ledger.commit(seat, std::move(commit)));
    CHECK(play.ledger.edge_counts(0).released == 1);
  }
}

TEST_CASE("Ledger: a commit of a block that was not granted is refused as a broken protocol") {
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  Commit commit = Play::commit_of(play.held[line.writer].front());
  OutBatch out;
  out.batch.blocks.push_back({1 << 20, 4096});
  out.batch.size = 10;
  commit.outputs.push_back(out);
  CHECK_THROWS_AS(play.ledger.commit(line.writer, std::move(commit)), Invalid);
}

TEST_CASE("Ledger: a part that was applied is skipped when its lease is leased again") {
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  const Seat seat = line.writer;
  const Lease lease = play.held[seat].front();
  Commit part = Play::commit_of(lease);
  part.final = false;
  part.outputs.push_back(Play::small(0, "x", 1));
  part.want = Want{0, 1 << 20};
  REQUIRE(play.ledger.commit(seat, std::move(part)));
  CHECK(play.ledger.edge_counts(0).released == 1);  // the lowest lease's parts go on at once
  play.ledger.worker_gone(seat, true);
  play.ledger.worker_restarted(seat);
  play.ledger.worker_ready(seat, -1);
  play.held.clear();
  play.answer();
  REQUIRE(play.held[seat].front().id == lease.id);
  CHECK(play.held[seat].front().skip == std::vector<uint64_t>{1, 0});
  CHECK(play.held[seat].front().part == 1);
}

TEST_CASE("Ledger: a part out of its turn or of other partitions is refused") {
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  const Seat seat = line.writer;
  const Lease lease = play.held[seat].front();
  Commit part = Play::commit_of(lease);
  part.final = false;
  part.outputs.push_back(Play::small(0, "x", 1));
  REQUIRE(play.ledger.commit(seat, Commit(part)));
  CHECK_THROWS_AS(play.ledger.commit(seat, Commit(part)), Invalid);  // a second time
  part.part = 2;
  CHECK_THROWS_AS(play.ledger.commit(seat, Commit(part)), Invalid);  // one was left out
  part.part = 1;
  part.partitions = 1;
  CHECK_THROWS_AS(play.ledger.commit(seat, Commit(part)), Invalid);
  CHECK(play.ledger.edge_counts(0).released == 1);
}

TEST_CASE("Ledger: a run has not ended before its sinks are open") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan, sink);
  play.answer();
  play.finish({source, 0}, [](Commit& commit) { commit.ended = true; });
  play.answer();
  CHECK_FALSE(play.ledger.all_ended());
  CHECK_FALSE(play.ledger.stall());
  play.ledger.worker_ready({sink, 0}, -1);
  REQUIRE(play.ledger.all_ended());
  play.ledger.begin_cut();
  REQUIRE(play.ledger.cut_drained());
  play.ledger.begin_save(1);
  play.answer();
  CHECK(play.held[{sink, 0}].front().kind == LeaseKind::kPrepare);
}

TEST_CASE("Ledger: what a worker sends after its pill was sent is taken") {
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  const Seat seat = line.writer;
  play.ledger.worker_pilled(seat);
  play.want(seat, 1 << 20);
  // Room that was granted before let it go on.
  play.finish(seat, [](Commit& commit) { commit.cursor = "x"; });
}

TEST_CASE("Ledger: only deaths by their own doing put a lease under suspicion") {
  const Line line;
  Play play(line.builder.plan);
  const Seat seat = line.writer;
  for (const bool own_doing : {false, false, true, false}) {
    play.answer();
    REQUIRE(play.ledger.held_by(seat));
    play.ledger.worker_gone(seat, own_doing);
    play.ledger.worker_restarted(seat);
    play.ledger.worker_ready(seat, -1);
    play.held.clear();
  }
  play.answer();
  CHECK(play.ledger.held_by(seat)->deaths == 1);
  CHECK(play.held[seat].front().attempt == 5);
}

TEST_CASE("Ledger: a source that has nothing is not asked again before it is awake") {
  PlanBuilder builder;
  builder.plan.cores = 1;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  const Seat seat{source, 0};
  play.answer();
  play.finish(seat, [](Commit& commit) {
    commit.cursor = "1";
    commit.idle = true;
    commit.outputs.push_back(Play::small(0, "x", 1));
  });
  play.answer();
  CHECK(play.held[seat].empty());
  CHECK(play.held[{sink, 0}].size() == 1);  // the core is free for what was read
  play.finish({sink, 0}, [](Commit&) {});
  play.answer();
  CHECK(play.held[seat].empty());
  CHECK_FALSE(play.ledger.stall());
  play.ledger.worker_ready(seat, -1);
  play.answer();
  CHECK_FALSE(play.held[seat].empty());
}

TEST_CASE("Ledger: a commit that can't be is refused whole") {
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  const Lease lease = play.held[line.writer].front();
  Commit commit = Play::commit_of(lease);
  commit.outputs.push_back(Play::small(0, "good", 1));
  commit.outputs.push_back(Play::small(0, "bad", 1));
  OutBatch& bad = commit.outputs.back();
  SECTION("of an output that does not exist") { bad.output = 7; }
  SECTION("of less than no rows") { bad.batch.rows = -1; }
  SECTION("of an image that is not all there") { bad.batch.size = 4; }
  SECTION("of an image beside a block") { bad.batch.blocks = {lease.grants.front().block}; }
  SECTION("of one block twice") {
    bad.batch.image.clear();
    bad.batch.blocks = {lease.grants.front().block};
    commit.outputs.front() = bad;
  }
  CHECK_THROWS_AS(play.ledger.commit(line.writer, std::move(commit)), Invalid);
  CHECK(play.ledger.edge_counts(0).released == 0);
  CHECK(play.ledger.edge_counts(0).used == lease.grants.front().block.size);
}
