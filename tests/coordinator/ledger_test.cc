#include "towpath/coordinator/ledger.h"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>

#include "tests/memory/refused_pages.h"

using namespace towpath;

namespace {

// Plans by hand: stages in order, edges between them.
struct PlanBuilder {
  Plan plan;
  PlanBuilder() {
    plan.pipeline = "test";
    plan.memory = 64 << 20;
    plan.cores = 64;
  }
  int stage(std::string name, Role role, int workers = 1) {
    PlanStage stage;
    stage.id = static_cast<int>(plan.stages.size());
    stage.name = std::move(name);
    stage.role = role;
    stage.workers = workers;
    stage.steps.emplace_back();
    if (role != Role::kSink) stage.outputs.push_back({"", {}, {}, {}});
    if (role == Role::kSource) stage.sources = {stage.id};
    plan.stages.push_back(std::move(stage));
    return plan.stages.back().id;
  }
  void edge(int from, int to, int port = 0, uint64_t room = 4 << 20) {
    PlanEdge edge;
    edge.id = static_cast<int>(plan.edges.size());
    edge.from_stage = from;
    edge.to_stage = to;
    edge.to_port = port;
    edge.room = room;
    plan.stages[static_cast<size_t>(from)].outputs[0].edges.push_back(edge.id);
    PlanStage& reader = plan.stages[static_cast<size_t>(to)];
    reader.inputs.push_back(edge.id);
    for (const int source : plan.stages[static_cast<size_t>(from)].sources) {
      if (std::find(reader.sources.begin(), reader.sources.end(), source) == reader.sources.end()) {
        reader.sources.push_back(source);
      }
    }
    plan.edges.push_back(edge);
  }
};

// Plays workers: takes what the ledger answers and commits as it is told.
struct Play {
  // All workers are ready, except those of the stage `late`.
  explicit Play(const Plan& the_plan, int late = -1)
      : plan(the_plan), arena(plan.memory), ledger(plan, arena) {
    for (const PlanStage& stage : plan.stages) {
      if (stage.id == late) continue;
      for (int i = 0; i < stage.workers; ++i) ledger.worker_ready({stage.id, i}, -1);
    }
  }

  // The worker ends its first lease with what `change` adds to the commit.
  template <class F>
  void finish(Seat seat, F change) {
    REQUIRE_FALSE(held[seat].empty());
    Commit commit = commit_of(held[seat].front());
    held[seat].pop_front();
    change(commit);
    REQUIRE(ledger.commit(seat, std::move(commit)));
  }
  // It asks for a block of so many bytes.
  void want(Seat seat, uint64_t bytes) {
    Lease& lease = held[seat].front();
    Commit commit = commit_of(lease);
    commit.final = false;
    commit.want = Want{0, bytes};
    REQUIRE(ledger.commit(seat, std::move(commit)));
    ++lease.part;
  }

  // Asks the ledger; leases gather per seat.
  void answer() {
    std::vector<Ledger::Work> work;
    std::vector<Ledger::GrantedRoom> rooms;
    ledger.answer(work, rooms);
    for (auto& each : work) {
      for (Lease& lease : each.leases) held[each.seat].push_back(std::move(lease));
    }
    for (const auto& room : rooms) {
      for (Lease& lease : held[room.seat]) {
        if (lease.id == room.room.lease) lease.grants.push_back(room.room.grant);
      }
    }
  }

  static OutBatch small(int output, std::string image, int64_t rows) {
    OutBatch out;
    out.output = output;
    out.batch.image = std::move(image);
    out.batch.size = out.batch.image.size();
    out.batch.rows = rows;
    return out;
  }
  static Commit commit_of(const Lease& lease) {
    Commit commit;
    commit.lease = lease.id;
    commit.attempt = lease.attempt;
    commit.part = lease.part;
    commit.partitions = lease.partitions;
    commit.busy_us = 5000;
    return commit;
  }

  const Plan& plan;
  Arena arena;
  Ledger ledger;
  std::map<Seat, std::deque<Lease>> held;
};

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
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  const Seat seat{source, 0};
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
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  Commit commit = Play::commit_of(play.held[{source, 0}].front());
  OutBatch out;
  out.batch.blocks.push_back({1 << 20, 4096});
  out.batch.size = 10;
  commit.outputs.push_back(out);
  CHECK_THROWS_AS(play.ledger.commit({source, 0}, std::move(commit)), Invalid);
}

TEST_CASE("Ledger: a part that was applied is skipped when its lease is leased again") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  const Seat seat{source, 0};
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
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  const Seat seat{source, 0};
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

TEST_CASE("Ledger: room on an edge is bounded and returns when its reader commits") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink, 0, 2 << 20);
  Play play(builder.plan);
  const Seat writer{source, 0}, reader{sink, 0};
  uint64_t peak = 0;
  int made = 0;
  // The reader does nothing while the writer can go on.
  while (true) {
    play.answer();
    peak = std::max(peak, play.ledger.edge_counts(0).used);
    auto& leases = play.held[writer];
    if (leases.empty()) break;
    Commit commit = Play::commit_of(leases.front());
    const uint64_t size = 300'000;
    auto grant = std::find_if(leases.front().grants.begin(), leases.front().grants.end(),
                              [&](const Grant& each) { return each.block.size >= size; });
    if (grant == leases.front().grants.end()) {
      commit.final = false;
      commit.want = Want{0, size};
      REQUIRE(play.ledger.commit(writer, std::move(commit)));
      ++leases.front().part;
      const size_t before = leases.front().grants.size();
      play.answer();
      if (leases.front().grants.size() == before) break;  // waits for room
      continue;
    }
    OutBatch out;
    out.batch.blocks = {grant->block};
    out.batch.size = size;
    out.batch.rows = 1;
    commit.outputs.push_back(out);
    commit.cursor = "x";
    leases.pop_front();
    REQUIRE(play.ledger.commit(writer, std::move(commit)));
    REQUIRE(++made < 100);
  }
  CHECK(made >= 3);
  CHECK(peak <= 2 << 20);
  // Reading gives room again.
  while (!play.held[reader].empty()) {
    Commit commit = Play::commit_of(play.held[reader].front());
    play.held[reader].pop_front();
    REQUIRE(play.ledger.commit(reader, std::move(commit)));
    play.answer();
  }
  CHECK(play.ledger.edge_counts(0).taken == made);
}

TEST_CASE(
    "Ledger: a worker that asked for room and goes on with what was granted ahead loses nothing") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  const Seat seat{source, 0};
  const Lease lease = play.held[seat].front();
  Commit part = Play::commit_of(lease);
  part.final = false;
  part.want = Want{0, 1 << 20};
  REQUIRE(play.ledger.commit(seat, std::move(part)));
  // No answer in between: the next part comes while the ledger still thinks that the worker waits.
  Commit next = Play::commit_of(lease);
  next.final = false;
  next.part = 1;
  next.outputs.push_back(Play::small(0, "x", 1));
  CHECK(play.ledger.commit(seat, std::move(next)));
  CHECK(play.ledger.edge_counts(0).released == 1);
}

namespace {

// A source, a stage that keeps all, a sink; 64 MiB, of which two edges need 4.
struct StatePlay {
  PlanBuilder builder;
  int source = builder.stage("s", Role::kSource);
  int keeper = builder.stage("keep", Role::kStage);
  int sink = builder.stage("k", Role::kSink);
  Plan& plan() {
    builder.edge(source, keeper, 0, 32 << 20);
    builder.edge(keeper, sink, 0, 32 << 20);
    builder.plan.memory_edges = 4 << 20;
    return builder.plan;
  }
  Play play{plan()};

  // The source reads one batch and the keeper takes it: its state is so large then.
  void keep(uint64_t bytes) {
    play.answer();
    Commit read = Play::commit_of(play.held[{source, 0}].front());
    play.held[{source, 0}].pop_front();
    read.outputs.push_back(Play::small(0, "x", 1));
    read.cursor = "1";
    REQUIRE(play.ledger.commit({source, 0}, std::move(read)));
    play.answer();
    Commit commit = Play::commit_of(play.held[{keeper, 0}].front());
    play.held[{keeper, 0}].pop_front();
    commit.state = bytes;
    REQUIRE(play.ledger.commit({keeper, 0}, std::move(commit)));
  }
};

}  // namespace

TEST_CASE("Ledger: what states take the arena gives up and gets back") {
  StatePlay state;
  state.keep(20 << 20);
  CHECK(state.play.arena.limit() == 44 << 20);
  state.keep(59 << 20);
  CHECK(state.play.arena.limit() == 5 << 20);
  CHECK_FALSE(state.play.ledger.state_overflow());
  state.keep(1 << 20);
  CHECK(state.play.arena.limit() == 63 << 20);
  CHECK(state.play.ledger.counts(state.keeper).state == 59 << 20);  // the most
}

TEST_CASE("Ledger: states that leave the edges too little are an overflow that names the largest") {
  StatePlay state;
  state.keep(61 << 20);
  const auto overflow = state.play.ledger.state_overflow();
  REQUIRE(overflow);
  CHECK(overflow->stage == state.keeper);
  CHECK(overflow->bytes == 61 << 20);
  CHECK(overflow->states == 61 << 20);
  CHECK(overflow->room == 60 << 20);
  CHECK(state.play.arena.limit() == 4 << 20);  // what edges can't do without stays theirs
}

TEST_CASE("Ledger: the state of a dead worker is gone with it") {
  StatePlay state;
  state.keep(40 << 20);
  state.play.ledger.worker_gone({state.keeper, 0}, true);
  CHECK(state.play.arena.limit() == 64 << 20);
}

TEST_CASE("Ledger: an edge's share shrinks with the room that states leave") {
  StatePlay state;
  state.keep(30 << 20);
  // The source asks for room until it gets none: its share was 32 MiB and is 17 now.
  const Seat writer{state.source, 0};
  uint64_t most = 0;
  for (uint32_t made = 0; made < 100; ++made) {
    state.play.answer();
    most = std::max(most, state.play.ledger.edge_counts(0).used);
    auto& leases = state.play.held[writer];
    if (leases.empty()) break;
    Commit commit = Play::commit_of(leases.front());
    commit.final = false;
    commit.part = made;
    commit.want = Want{0, 1 << 20};
    REQUIRE(state.play.ledger.commit(writer, std::move(commit)));
    const size_t before = leases.front().grants.size();
    state.play.answer();
    most = std::max(most, state.play.ledger.edge_counts(0).used);
    if (leases.front().grants.size() == before) break;
  }
  CHECK(most <= 17 << 20);
  CHECK(most > 14 << 20);
}

TEST_CASE("Ledger: pages that the machine refuses are waited for as room is") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink, 0, 16 << 20);
  Play play(builder.plan);
  ShortMachine machine(3 << 20);
  const Seat writer{source, 0}, reader{sink, 0};
  int64_t made = 0;
  int waits = 0;
  uint32_t part = 0;
  while (made < 20) {
    play.answer();
    REQUIRE_FALSE(play.held[writer].empty());
    Lease& lease = play.held[writer].front();
    const auto grant = std::find_if(lease.grants.begin(), lease.grants.end(),
                                    [](const Grant& each) { return each.block.size >= 1 << 20; });
    Commit commit = Play::commit_of(lease);
    commit.part = part;
    if (grant != lease.grants.end()) {
      OutBatch out;
      out.batch.blocks = {grant->block};
      out.batch.size = 1 << 20;
      out.batch.rows = 1;
      commit.outputs.push_back(out);
      commit.cursor = "x";
      play.held[writer].pop_front();
      REQUIRE(play.ledger.commit(writer, std::move(commit)));
      ++made;
      part = 0;
      continue;
    }
    const size_t before = lease.grants.size();
    commit.final = false;
    commit.want = Want{0, 1 << 20};
    REQUIRE(play.ledger.commit(writer, std::move(commit)));
    ++part;
    play.answer();
    if (lease.grants.size() > before) continue;
    // Refused: what the reader frees is what the writer gets.
    ++waits;
    CHECK(play.ledger.state(writer) == WorkerState::kWaiting);
    REQUIRE_FALSE(play.held[reader].empty());
    while (lease.grants.size() == before) {
      REQUIRE_FALSE(play.held[reader].empty());
      Commit read = Play::commit_of(play.held[reader].front());
      play.held[reader].pop_front();
      REQUIRE(play.ledger.commit(reader, std::move(read)));
      play.answer();
    }
  }
  CHECK(waits > 3);
  CHECK(ShortMachine::refusals() > 0);
  CHECK(play.arena.reserved() <= 3 << 20);
}

TEST_CASE("Ledger: small batches are bounded by the share of their edge as large ones are") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink, 0, 2 << 20);
  Play play(builder.plan);
  const Seat writer{source, 0}, reader{sink, 0};
  int made = 0;
  const auto write_all = [&] {
    for (play.answer(); !play.held[writer].empty(); play.answer()) {
      play.finish(writer, [&](Commit& commit) {
        commit.outputs.push_back(Play::small(0, std::string(3000, 'x'), 1));
        commit.cursor = std::to_string(++made);
      });
      REQUIRE(made < 10'000);
    }
  };
  write_all();
  CHECK(play.ledger.edge_counts(0).used <= 2 << 20);
  CHECK(made > 300);
  // Nothing waits for ever: what is read makes room.
  const int before = made;
  for (int i = 0; i < 100 && !play.held[reader].empty(); ++i) {
    play.finish(reader, [](Commit&) {});
    play.answer();
  }
  write_all();
  CHECK(made > before);
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
  play.ledger.begin_prepare();
  play.answer();
  CHECK(play.held[{sink, 0}].front().kind == LeaseKind::kPrepare);
}

TEST_CASE("Ledger: what a worker sends after its pill was sent is taken") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  const Seat seat{source, 0};
  play.ledger.worker_pilled(seat);
  play.want(seat, 1 << 20);
  // Room that was granted before let it go on.
  play.finish(seat, [](Commit& commit) { commit.cursor = "x"; });
}

TEST_CASE("Ledger: a dead worker of a stage that has ended hides no stall") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int work = builder.stage("w", Role::kStage);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, work);
  builder.edge(work, sink);
  Play play(builder.plan);
  play.answer();
  play.finish({source, 0}, [](Commit& commit) {
    commit.outputs.push_back(Play::small(0, "x", 1));
    commit.ended = true;
  });
  play.ledger.worker_gone({source, 0}, false);
  play.answer();
  play.want({work, 0}, 65 << 20);  // more than the arena has
  play.answer();
  const auto stall = play.ledger.stall();
  REQUIRE(stall);
  CHECK_THAT(stall->waiting, Catch::Contains("stage \"w\" waits for"));
  CHECK_FALSE(play.ledger.relieve(*stall));
}

TEST_CASE("Ledger: a pipeline that stands still is seen though another in the same file works") {
  PlanBuilder builder;
  const int slow = builder.stage("slow", Role::kSource);
  const int slow_sink = builder.stage("slow_sink", Role::kSink);
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(slow, slow_sink);
  builder.edge(source, sink, 0, 2 << 20);
  Play play(builder.plan);
  play.answer();
  CHECK_FALSE(play.ledger.stall());
  play.want({source, 0}, 70 << 20);
  play.answer();
  const auto stall = play.ledger.stall();
  REQUIRE(stall);
  CHECK_THAT(stall->waiting, Catch::Contains("stage \"s\""));
}

TEST_CASE("Ledger: only deaths by their own doing put a lease under suspicion") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  const Seat seat{source, 0};
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

TEST_CASE("Ledger: one large batch does not make the blocks of all later ones large") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink, 0, 32 << 20);
  Play play(builder.plan);
  const Seat writer{source, 0}, reader{sink, 0};
  const auto make = [&](uint64_t bytes) {
    play.answer();
    const auto find = [&] {
      auto& grants = play.held[writer].front().grants;
      return std::find_if(grants.begin(), grants.end(),
                          [&](const Grant& each) { return each.block.size >= bytes; });
    };
    if (find() == play.held[writer].front().grants.end()) {
      play.want(writer, bytes);
      play.answer();
    }
    const Block block = find()->block;
    play.finish(writer, [&](Commit& commit) {
      OutBatch out;
      out.batch.blocks = {block};
      out.batch.size = bytes;
      out.batch.rows = 1;
      commit.outputs.push_back(out);
      commit.cursor = "x";
    });
    play.answer();
    play.finish(reader, [](Commit&) {});
    return block.size;
  };
  CHECK(make(6 << 20) >= 6 << 20);
  uint64_t last = 0;
  for (int i = 0; i < 60; ++i) last = make(50'000);
  CHECK(last <= 64 << 10);
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
  play.ledger.source_awake(seat);
  play.answer();
  CHECK_FALSE(play.held[seat].empty());
}

TEST_CASE("Ledger: a commit that can't be is refused whole") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, sink);
  Play play(builder.plan);
  play.answer();
  const Lease lease = play.held[{source, 0}].front();
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
  CHECK_THROWS_AS(play.ledger.commit({source, 0}, std::move(commit)), Invalid);
  CHECK(play.ledger.edge_counts(0).released == 0);
  CHECK(play.ledger.edge_counts(0).used == lease.grants.front().block.size);
}
