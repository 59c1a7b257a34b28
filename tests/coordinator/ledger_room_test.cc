#include <catch2/catch.hpp>

#include "tests/coordinator/play.h"
#include "tests/memory/refused_pages.h"
#include "towpath/coordinator/fault_texts.h"
#include "towpath/coordinator/ledger.h"

// Room, states and stalls: what the ledger does when memory is short.

using namespace towpath;

TEST_CASE("Ledger: room on an edge is bounded and returns when its reader commits") {
  const Line line(2 << 20);
  Play play(line.builder.plan);
  const Seat writer = line.writer, reader = line.reader;
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
  const Line line;
  Play play(line.builder.plan);
  play.answer();
  const Seat seat = line.writer;
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
  const Line line(16 << 20);
  Play play(line.builder.plan);
  ShortMachine machine(3 << 20);
  const Seat writer = line.writer, reader = line.reader;
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
  const Line line(2 << 20);
  Play play(line.builder.plan);
  const Seat writer = line.writer, reader = line.reader;
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

TEST_CASE("Ledger: a pipeline that waits for a core does not stand still") {
  PlanBuilder builder;
  for (const char* name : {"a", "b"}) {
    const int source = builder.stage(name, Role::kSource);
    builder.edge(source, builder.stage(std::string(name) + "-sink", Role::kSink));
  }
  builder.plan.cores = 1;
  Play play(builder.plan);
  play.answer();
  REQUIRE(play.held[{0, 0}].size() + play.held[{2, 0}].size() == 1);  // the other has no core
  CHECK_FALSE(play.ledger.stall());
}

TEST_CASE("Ledger: one large batch does not make the blocks of all later ones large") {
  const Line line(32 << 20);
  Play play(line.builder.plan);
  const Seat writer = line.writer, reader = line.reader;
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

TEST_CASE("Ledger: a standstill for want of pages is told from one for want of memory") {
  const Line line;
  Play play(line.builder.plan);
  const auto told = [&] {
    const auto stall = play.ledger.stall();
    REQUIRE(stall);
    CHECK_FALSE(play.ledger.relieve(*stall));
    return describe_stall(*stall, play.plan, play.ledger, play.arena);
  };
  SECTION("the machine refuses") {
    const ShortMachine machine(0);
    play.answer();
    play.want(line.writer, 1 << 20);
    play.answer();
    CHECK_THAT(told(), Catch::Contains("the machine has no memory to give"));
  }
  SECTION("the limit does") {
    play.answer();
    play.want(line.writer, 65 << 20);
    play.answer();
    CHECK_THAT(told(), Catch::Contains("raise memory: in the YAML"));
  }
}
