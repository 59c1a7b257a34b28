// Epochs without a run around them: workers are played, cuts fall and deaths happen at random, and
// whatever happens the sinks have seen the same in the end.
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>

#include "tests/coordinator/play.h"

using namespace towpath;

namespace {

constexpr int kReads = 12;
constexpr uint64_t kParts = 4;  // of a reader's lease

// What the processes of a run keep, and lose with a death; what is saved and seen stays.
class World {
 public:
  World(const Plan& plan, unsigned seed) : plan_(plan), random_(seed) { begin(); }

  // What each sink saw, and what it refused.
  struct Seen {
    std::map<int, std::vector<std::string>> rows, refused;
  };
  // Runs to the end; at each turn one of so many is a death of anything, another a cut.
  Seen run(unsigned deaths, unsigned cuts) {
    for (int turns = 0; turns < 200'000; ++turns) {
      play_->answer();
      take_rejects();
      if (go_on(cuts)) return {seen_, refused_};
      if (deaths > 0 && random_() % deaths == 0 && deaths_ < 30) {
        ++deaths_;
        begin();
        continue;
      }
      work();
    }
    FAIL("the play does not end");
    return {};
  }
  int epochs() const { return static_cast<int>(epoch_); }
  int revoked() const { return revoked_; }

 private:
  Ledger& ledger() { return play_->ledger; }

  void begin() {
    play_ = std::make_unique<Play>(plan_, -2);
    for (const PlanStage& stage : plan_.stages) {
      const std::string saved =
          record_ ? record_->stages[static_cast<size_t>(stage.id)].saved : std::string();
      states_[stage.id] = stage.stateful ? saved : "";
      if (stage.role == Role::kSink) seen_[stage.id].resize(std::stoull("0" + saved));
    }
    for (auto& [sink, rows] : refused_) {
      const auto known = known_.find(sink);
      rows.resize(known != known_.end() ? known->second.rows
                  : record_             ? record_->reject_bytes[static_cast<size_t>(sink)]
                                        : 0);
    }
    const bool again = state_ == EpochState::kCommitting && shows_;
    if (record_) {
      EpochRecord record(*record_);
      for (const auto& [sink, known] : known_) {
        EpochRecord::StageAt& at = record.stages[static_cast<size_t>(sink)];
        at.counts = known.counts;
        at.applied = true;
      }
      ledger().restore(std::move(record));
    }
    if (again) {
      ledger().commit_again(epoch_);
    } else {
      state_ = EpochState::kNone;
    }
    for (const PlanStage& stage : plan_.stages) {
      for (int i = 0; i < stage.workers; ++i) ledger().worker_ready({stage.id, i}, -1);
    }
  }

  // Batches of a record travel as images.
  EpochRecord written(EpochRecord record) { return from_bytes<EpochRecord>(to_bytes(record)); }

  // True: the final epoch is visible.
  bool go_on(unsigned cuts) {
    const bool ended = ledger().all_ended();
    if (state_ == EpochState::kCommitting) {
      for (const int sink : ledger().applied_sinks()) {
        const auto number = static_cast<size_t>(sink);
        const size_t rows = refused_[sink].size();
        if (rows > record_->reject_bytes[number]) known_[sink] = {rows, ledger().counts(sink)};
        ledger().make_visible(sink);
      }
    }
    if (!ledger().in_epoch() && !final_ && (ended || (cuts > 0 && random_() % cuts == 0))) {
      ledger().begin_cut();
      state_ = EpochState::kDraining;
    } else if (ledger().in_epoch() && state_ == EpochState::kDraining && ledger().cut_drained()) {
      reject_rows_.assign(plan_.stages.size(), 0);
      for (const auto& [sink, rows] : refused_)
        reject_rows_[static_cast<size_t>(sink)] = rows.size();
      ledger().begin_save(epoch_ + 1);
      state_ = EpochState::kSaving;
    } else if (ledger().in_epoch() && state_ == EpochState::kSaving && ledger().all_saved()) {
      EpochRecord record = ledger().epoch_record();
      record.reject_bytes = reject_rows_;
      record_ = written(std::move(record));
      known_.clear();
      final_ = record_->final;
      ++epoch_;
      // Sinks show what is recorded now, or with a later one.
      shows_ = record_->final || random_() % 2 == 0;
      ledger().begin_commit(shows_);
      state_ = EpochState::kCommitting;
    } else if (ledger().in_epoch() && state_ == EpochState::kCommitting &&
               ledger().all_committed()) {
      ledger().end_epoch();
      state_ = EpochState::kNone;
    }
    if (!final_ || ledger().in_epoch() || !ended) return false;
    ledger().check_balance();
    for (const auto& [sink, rows] : refused_) {
      CHECK(ledger().counts(sink).rejected == static_cast<int64_t>(rows.size()));
    }
    return true;
  }

  void take_rejects() {
    while (const auto reject = ledger().next_reject()) {
      if (!reject->known) refused_[reject->stage].push_back(reject->batch.image);
      ledger().reject_taken(*reject);
    }
  }

  // One worker does a step of its lease.
  void work() {
    std::vector<Seat> ready;
    for (const auto& [seat, leases] : play_->held) {
      if (!leases.empty()) ready.push_back(seat);
    }
    if (ready.empty()) return stand_still();
    const Seat seat = ready[random_() % ready.size()];
    const PlanStage& stage = plan_.stages[static_cast<size_t>(seat.stage)];
    Lease& lease = play_->held[seat].front();
    Commit commit = Play::commit_of(lease);
    commit.counts.resize(1);
    std::string& state = states_[seat.stage];
    switch (lease.kind) {
      case LeaseKind::kRead: {
        const uint64_t number = std::stoull("0" + ledger().token(seat.stage).value_or(""));
        commit.ended = number >= kReads;
        commit.cursor = std::to_string(number + (commit.ended ? 0 : 1));
        if (commit.ended) break;
        // Some read in several batches, or find nothing.
        const uint64_t batches = stage.name.starts_with("many") ? number * 7 % 4 : 1;
        for (uint64_t batch = 0; batch < batches; ++batch) {
          put(commit, stage, stage.name + std::to_string(number) + std::string(batch, '+'));
        }
        break;
      }
      case LeaseKind::kProcess:
        if (stage.role == Role::kSink) {
          seen_[seat.stage].push_back(lease.batch.image);
        } else if (stage.stateful) {
          state += lease.batch.image + ",";
          put(commit, stage, lease.batch.image + "'" + std::to_string(state.size()));
        } else if (stage.name.starts_with("reader")) {
          const uint64_t part = std::stoull("0" + lease.cursor);
          put(commit, stage, lease.batch.image + ":" + std::to_string(part));
          if (part + 1 < kParts) {
            commit.final = false;
            commit.cursor = lease.cursor = std::to_string(part + 1);
            ++lease.part;
            REQUIRE(ledger().commit(seat, std::move(commit)));
            return;
          }
        } else {
          put(commit, stage, lease.batch.image + "a");
          put(commit, stage, lease.batch.image + "b");
        }
        commit.counts[0].in = lease.batch.rows;
        break;
      case LeaseKind::kFinish:
        put(commit, stage, stage.name + "-end" + std::to_string(state.size()));
        state.clear();
        break;
      case LeaseKind::kSave:
        commit.position = state;
        break;
      case LeaseKind::kPrepare:
        commit.position = std::to_string(seen_[seat.stage].size());
        break;
      case LeaseKind::kApply:
        if (database_[seat.stage].epoch >= lease.epoch) break;  // it was committed
        for (size_t row = database_[seat.stage].rows; row < seen_[seat.stage].size(); ++row) {
          const std::string& image = seen_[seat.stage][row];
          if (image.size() % 3 != 0) continue;
          commit.outputs.push_back(
              Play::small(static_cast<int>(stage.outputs.size()), std::string(image), 1));
          ++commit.counts[0].rejected;
        }
        break;
      case LeaseKind::kCommit:
        database_[seat.stage] = {lease.epoch, seen_[seat.stage].size()};
        break;
    }
    play_->held[seat].pop_front();
    REQUIRE(ledger().commit(seat, std::move(commit)));
  }

  // A cut that can't be drained is given up.
  void stand_still() {
    const std::optional<Ledger::Stall> stall = ledger().stall();
    if (!stall) return;
    if (state_ == EpochState::kDraining) {
      ledger().revoke_cut();
      state_ = EpochState::kNone;
      ++revoked_;
    } else {
      REQUIRE(ledger().relieve(*stall));
    }
  }

  static void put(Commit& commit, const PlanStage& stage, std::string image) {
    if (!stage.outputs.empty()) commit.outputs.push_back(Play::small(0, std::move(image), 1));
  }

  const Plan& plan_;
  std::mt19937 random_;
  std::unique_ptr<Play> play_;
  std::map<int, std::string> states_;
  // Rows that came to a sink, and those that it refused, as on its disk.
  std::map<int, std::vector<std::string>> seen_, refused_;
  struct Database {
    uint64_t epoch = 0;
    size_t rows = 0;
  };
  std::map<int, Database> database_;  // what is visible
  struct Known {
    size_t rows = 0;
    StageCounts counts;
  };
  std::map<int, Known> known_;  // refused in this epoch
  std::vector<uint64_t> reject_rows_;
  std::optional<EpochRecord> record_;
  EpochState state_ = EpochState::kNone;
  uint64_t epoch_ = 0;
  int deaths_ = 0, revoked_ = 0;
  bool final_ = false, shows_ = false;
};

// Whatever the pace, the cuts and the deaths, all sinks see what they see undisturbed.
void check_steadfast(const Plan& plan, bool revokes = false) {
  const auto expected = World(plan, 1).run(0, 0);
  REQUIRE_FALSE(expected.rows.empty());
  REQUIRE_FALSE(expected.refused.empty());
  int epochs = 0, revoked = 0;
  for (unsigned seed = 2; seed < 200; ++seed) {
    CAPTURE(seed);
    World world(plan, seed);
    const auto seen = world.run(seed % 3 == 0 ? 0 : 40, 1 + seed % 30);
    for (const auto& [sink, rows] : expected.rows) {
      CAPTURE(plan.stages[static_cast<size_t>(sink)].name);
      REQUIRE_THAT(seen.rows.at(sink), Catch::Equals(rows));
    }
    for (const auto& [sink, rows] : expected.refused) {
      CAPTURE(plan.stages[static_cast<size_t>(sink)].name);
      REQUIRE_THAT(seen.refused.at(sink), Catch::Equals(rows));
    }
    epochs += world.epochs();
    revoked += world.revoked();
  }
  CHECK(epochs > (revokes ? 300 : 500));
  CHECK((revoked > 0) == revokes);
}

}  // namespace

TEST_CASE("Epochs: a line with a pool and a group goes on from any of them") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int pool = builder.stage("w", Role::kStage, 3);
  const int group = builder.stage("g", Role::kStage);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(source, pool);
  builder.edge(pool, group);
  builder.edge(group, sink);
  builder.plan.stages[static_cast<size_t>(group)].stateful = true;
  check_steadfast(builder.plan);
}

TEST_CASE("Epochs: a cut falls inside a reader's lease") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int reader = builder.stage("reader", Role::kStage, 2);
  const int sort = builder.stage("sort", Role::kStage);
  const int sink = builder.stage("k", Role::kSink);
  const int copy = builder.stage("copy", Role::kSink);
  builder.edge(source, reader);
  builder.edge(reader, sort);
  builder.edge(sort, sink);
  builder.edge(reader, copy);
  builder.plan.stages[static_cast<size_t>(sort)].stateful = true;
  check_steadfast(builder.plan);
}

TEST_CASE("Epochs: two readers of one source stand at one place") {
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int fast = builder.stage("reader-one", Role::kStage, 2);
  const int slow = builder.stage("reader-two", Role::kStage);
  const int one = builder.stage("one", Role::kSink);
  const int two = builder.stage("two", Role::kSink);
  builder.edge(source, fast);
  builder.edge(source, slow);
  builder.edge(fast, one);
  builder.edge(slow, two);
  check_steadfast(builder.plan);
}

TEST_CASE("Epochs: batches that wait for an earlier source are kept") {
  PlanBuilder builder;
  const int first = builder.stage("one", Role::kSource);
  const int second = builder.stage("two", Role::kSource);
  const int reader = builder.stage("reader", Role::kStage, 2);
  const int group = builder.stage("g", Role::kStage);
  const int both = builder.stage("both", Role::kStage, 2);
  const int sink = builder.stage("k", Role::kSink);
  const int own = builder.stage("own", Role::kSink);
  builder.edge(first, reader);
  builder.edge(reader, both);
  builder.edge(second, group);
  builder.edge(group, both);
  builder.edge(both, sink);
  builder.edge(group, own);
  builder.plan.stages[static_cast<size_t>(group)].stateful = true;
  check_steadfast(builder.plan);
}

TEST_CASE("Epochs: a read that comes in several batches is cut between them or inside") {
  PlanBuilder builder;
  const int source = builder.stage("many", Role::kSource);
  const int reader = builder.stage("reader", Role::kStage, 3);
  const int plain = builder.stage("plain", Role::kStage, 2);
  const int group = builder.stage("g", Role::kStage);
  const int sink = builder.stage("k", Role::kSink);
  const int copy = builder.stage("copy", Role::kSink);
  builder.edge(source, reader);
  builder.edge(source, plain);
  builder.edge(reader, group);
  builder.edge(group, sink);
  builder.edge(plain, copy);
  builder.plan.stages[static_cast<size_t>(group)].stateful = true;
  check_steadfast(builder.plan);
}

TEST_CASE("Epochs: a stage behind a source and a stage cuts no read in two") {
  PlanBuilder builder;
  const int first = builder.stage("many-one", Role::kSource);
  const int second = builder.stage("many-two", Role::kSource);
  const int pool = builder.stage("w", Role::kStage, 2);
  const int both = builder.stage("both", Role::kStage, 2);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(first, pool);
  builder.edge(pool, both);
  builder.edge(second, both);
  builder.edge(both, sink);
  check_steadfast(builder.plan);
}

TEST_CASE("Epochs: a cut is given up where a branch that ran ahead can't be drained") {
  PlanBuilder builder;
  const int first = builder.stage("one", Role::kSource);
  const int second = builder.stage("two", Role::kSource);
  const int slow = builder.stage("slow", Role::kStage);
  const int hop = builder.stage("hop", Role::kStage, 2);
  const int next = builder.stage("next", Role::kStage);
  const int group = builder.stage("g", Role::kStage);
  const int both = builder.stage("both", Role::kStage);
  const int sink = builder.stage("k", Role::kSink);
  builder.edge(first, slow);
  builder.edge(slow, both);
  builder.edge(second, hop, 0, 12 << 10);
  builder.edge(hop, next, 0, 12 << 10);
  builder.edge(next, group, 0, 12 << 10);
  builder.edge(group, both, 0, 12 << 10);
  builder.edge(both, sink);
  builder.plan.stages[static_cast<size_t>(group)].stateful = true;
  check_steadfast(builder.plan, true);
}
