#include "towpath/worker/committer.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "towpath/memory/arena.h"
#include "towpath/worker/open_batch.h"

using namespace towpath;

namespace {

const Schema kSchema = {{"text", Type::kString}};

// Plays the worker's loop and, when room is asked for, the coordinator.
struct Desk final : Committer::Link {
  void send(const std::vector<Commit>& commits) override {
    for (const Commit& commit : commits) sent.push_back(commit);
  }
  void take_messages(bool wait) override {
    if (wait) on_wait();
  }
  void count(Commit& commit) override { commit.counts = {{1, 1, 0}}; }
  uint64_t state_bytes() override { return state; }
  uint64_t state = 0;
  std::vector<Commit> sent;
  std::function<void()> on_wait = [] { FAIL("nothing was to be waited for"); };
};

struct Bench {
  Arena arena{16 << 20};
  ArenaView view{UniqueFd(::fcntl(arena.fd(), F_DUPFD_CLOEXEC, 0))};
  Desk desk;
  Committer committer{view, {{"", kSchema, {}}}, desk};
  BatchBuilder builder{kSchema};

  BatchBuilder& text(const std::string& text) {
    builder.clear();
    builder.add_row({"f", 1, 0});
    builder.column(0).put_text(text);
    return builder;
  }
  Lease lease() {
    Lease lease;
    lease.id = 7;
    lease.attempt = 1;
    return lease;
  }
  std::string read(const OutBatch& out) {
    return std::string(open_batch(out.batch, view).strings("text")[0]);
  }
};

}  // namespace

TEST_CASE("Committer: a small batch travels in the message") {
  Bench bench;
  bench.committer.begin(bench.lease());
  bench.committer.consume(0, bench.text("small"));
  const Commit commit = bench.committer.finish();
  REQUIRE(commit.outputs.size() == 1);
  CHECK(commit.final);
  CHECK(commit.outputs[0].batch.blocks.empty());
  CHECK(bench.read(commit.outputs[0]) == "small");
}

TEST_CASE("Committer: a large batch goes into the smallest granted block that holds it") {
  Bench bench;
  Lease lease = bench.lease();
  const Block large = *bench.arena.allocate(1 << 20), fits = *bench.arena.allocate(64 << 10);
  lease.grants = {{0, large}, {0, fits}};
  bench.committer.begin(lease);
  const std::string text(40'000, 'x');
  bench.committer.consume(0, bench.text(text));
  const Commit commit = bench.committer.finish();
  REQUIRE(commit.outputs[0].batch.blocks == std::vector<Block>{fits});
  CHECK(bench.read(commit.outputs[0]) == text);
}

TEST_CASE("Committer: without room what is filled is committed as a part and room is asked for") {
  Bench bench;
  bench.committer.begin(bench.lease());
  bench.committer.consume(0, bench.text("first"));
  bench.desk.on_wait = [&bench] {
    REQUIRE(bench.desk.sent.size() == 1);
    const Commit& part = bench.desk.sent[0];
    CHECK_FALSE(part.final);
    CHECK(part.outputs.size() == 1);
    CHECK_FALSE(part.cursor);
    CHECK(part.counts.empty());  // only a part with a cursor, or the end, counts
    REQUIRE(part.want);
    CHECK(part.want->bytes > 40'000);
    bench.committer.add_room({7, 1, {0, *bench.arena.allocate(part.want->bytes)}});
  };
  const std::string text(40'000, 'y');
  bench.committer.consume(0, bench.text(text));
  const Commit commit = bench.committer.finish();
  REQUIRE(commit.outputs.size() == 1);
  CHECK(bench.read(commit.outputs[0]) == text);
}

TEST_CASE("Committer: room for an older attempt is not taken") {
  Bench bench;
  Lease lease = bench.lease();
  lease.attempt = 2;
  bench.committer.begin(lease);
  int waits = 0;
  bench.desk.on_wait = [&] {
    // The first answer is for the attempt before.
    bench.committer.add_room({7, ++waits == 1 ? 1u : 2u, {0, *bench.arena.allocate(64 << 10)}});
  };
  bench.committer.consume(0, bench.text(std::string(40'000, 'z')));
  CHECK(waits == 2);
}

TEST_CASE("Committer: batches applied before the worker died are left out once each") {
  Bench bench;
  Lease lease = bench.lease();
  lease.skip = {2, 0};
  bench.committer.begin(lease);
  for (const char* text : {"a", "b", "c"}) bench.committer.consume(0, bench.text(text));
  const Commit commit = bench.committer.finish();
  REQUIRE(commit.outputs.size() == 1);
  CHECK(bench.read(commit.outputs[0]) == "c");
}

TEST_CASE("Committer: a part that the stage names carries its cursor and counts") {
  Bench bench;
  bench.committer.begin(bench.lease());
  bench.committer.part("nothing yet");
  CHECK(bench.desk.sent.empty());
  bench.committer.consume(0, bench.text("row"));
  bench.committer.part("here");
  REQUIRE(bench.desk.sent.size() == 1);
  CHECK(bench.desk.sent[0].cursor == "here");
  CHECK(bench.desk.sent[0].part == 0);
  CHECK(bench.committer.finish().part == 1);
  CHECK(bench.desk.sent[0].counts.size() == 1);
}

TEST_CASE("Committer: every commit tells how large the state is") {
  Bench bench;
  bench.committer.begin(bench.lease());
  bench.desk.state = 5000;
  CHECK(bench.committer.finish().state == 5000);
}

TEST_CASE("Committer: a part without output is sent when the state has grown by a megabyte") {
  Bench bench;
  bench.committer.begin(bench.lease());
  bench.desk.state = 900 << 10;
  bench.committer.part("a");
  CHECK(bench.desk.sent.empty());
  bench.desk.state = 1100 << 10;
  bench.committer.part("b");
  REQUIRE(bench.desk.sent.size() == 1);
  CHECK(bench.desk.sent[0].state == 1100 << 10);
  CHECK(bench.desk.sent[0].cursor == "b");
  bench.committer.part("c");
  CHECK(bench.desk.sent.size() == 1);
}

TEST_CASE("Committer: rows are partitioned when the edge asks for it") {
  Bench bench;
  Committer committer(bench.view, {{"", kSchema, {"text"}}}, bench.desk);
  committer.begin(bench.lease());
  committer.consume(0, bench.text("key"));
  const Commit commit = committer.finish();
  const Batch batch = open_batch(commit.outputs[0].batch, bench.view);
  REQUIRE(batch.has_partitions());
  CHECK(batch.partition(0) < kPartitions);
}
