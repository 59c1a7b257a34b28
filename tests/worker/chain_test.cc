#include "towpath/worker/chain.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

using namespace towpath;

namespace {

// Stages of this program, as an embedding program would define them.

// Each row twice.
class Twice final : public Stage {
 public:
  static StageSpec describe() { return StageSpec("test.twice").summary("Each row twice."); }
  explicit Twice(const Settings&) {}
  void process(const Batch& in, Outputs& out) override {
    for (int64_t row = 0; row < in.rows(); ++row) {
      out.main().forward_row(in, row);
      out.main().forward_row(in, row);
    }
  }
};
TOWPATH_STAGE(Twice)

// Rejects 3, and puts a row out before it finds out.
class NoThree final : public RowStage {
 public:
  static StageSpec describe() { return StageSpec("test.no_three").summary("Rejects 3."); }
  explicit NoThree(const Settings&) {}
  void row(const Row& in, Outputs& out) override {
    out.main().forward_row(in.batch(), in.number());
    if (in.get<int64_t>("n") == 3) throw Invalid("three");
  }
};
TOWPATH_STAGE(NoThree)

// Keeps all until the end, then puts it out one row a call.
class AtTheEnd final : public Stage {
 public:
  static StageSpec describe() { return StageSpec("test.at_the_end").summary("All at the end."); }
  explicit AtTheEnd(const Settings&) {}
  void process(const Batch& in, Outputs&) override {
    const IntColumn n = in.ints("n");
    for (int64_t row = 0; row < in.rows(); ++row) kept_.push_back(n[row]);
  }
  bool finish(int, Outputs& out) override {
    if (next_ < kept_.size()) {
      auto n = out.main().column<int64_t>("n");
      out.main().row();
      n.put(kept_[next_++]);
    }
    return next_ < kept_.size();
  }

 private:
  std::vector<int64_t> kept_;
  size_t next_ = 0;
};
TOWPATH_STAGE(AtTheEnd)

// Sums what came so far; can't take 3.
class RunningSum final : public Stage, public Stateful {
 public:
  static StageSpec describe() { return StageSpec("test.sum").summary("Sums.").stateful(); }
  explicit RunningSum(const Settings&) {}
  void validate(const Batch& in, Outputs& rejects) const override {
    for (int64_t row = 0; row < in.rows(); ++row) {
      if (in.ints("n")[row] == 3) rejects.reject(in, row, "three");
    }
  }
  void process(const Batch& in, Outputs& out) override {
    partitioned = in.has_partitions();
    auto n = out.main().column<int64_t>("n");
    for (int64_t row = 0; row < in.rows(); ++row) {
      if (in.ints("n")[row] == 3) throw Bug("a row that was rejected came");
      if (partitioned && in.partition(row) != in.ints("n")[row]) throw Bug("another's partition");
      sum_ += in.ints("n")[row];
      out.main().from(row);
      n.put(sum_);
    }
  }
  uint64_t state_bytes() const override { return static_cast<uint64_t>(sum_); }
  void save(int, Encoder&) override {}
  void restore(int, Decoder&) override {}
  bool partitioned = false;

 private:
  int64_t sum_ = 0;
};
TOWPATH_STAGE(RunningSum)

const Schema kSchema = {{"n", Type::kInt}};

struct Collected final : BatchConsumer {
  void consume(int number, BatchBuilder& batch) override {
    const Batch all = batch.to_batch();
    for (int64_t row = 0; row < all.rows(); ++row) {
      if (number == kRejects) {
        rejects.emplace_back(all.strings("reason")[row]);
      } else {
        numbers.push_back(all.ints("n")[row]);
      }
    }
  }
  void part(std::string_view cursor) override { parts.emplace_back(cursor); }
  std::vector<int64_t> numbers;
  std::vector<std::string> rejects, parts;
};

struct NoServices final : Services {
  Counter& counter(std::string_view name) override { return counters[std::string(name)]; }
  std::string temp_file() override { return ""; }
  std::map<std::string, Counter> counters;
};

Step step(std::string kind) {
  Step step;
  step.kind = std::move(kind);
  step.values = Object::Map{};
  step.context.inputs = {kSchema};
  step.context.output = kSchema;
  step.context.batch_rows = 4;
  return step;
}

Batch numbers(int64_t first, int64_t last) {
  BatchBuilder builder(kSchema);
  for (int64_t n = first; n <= last; ++n) {
    builder.add_row({"f", n, n});
    builder.column(0).put_int(n);
  }
  return builder.to_batch();
}

struct Run {
  explicit Run(const std::vector<Step>& steps) : chain("s", steps, {{"", kSchema}}, out) {
    chain.open(services, std::nullopt);
  }
  Collected out;
  NoServices services;
  Chain chain;
};

}  // namespace

TEST_CASE("Chain: what a step puts out is the next one's input in the same order") {
  Run run({step("test.twice"), step("test.twice")});
  run.chain.process(numbers(1, 2), 2);
  CHECK(run.out.numbers == std::vector<int64_t>{1, 1, 1, 1, 2, 2, 2, 2});
}

TEST_CASE("Chain: a row that throws is rejected alone and counted in its step") {
  Run run({step("test.twice"), step("test.no_three")});
  run.chain.process(numbers(2, 4), 3);
  CHECK(run.out.numbers == std::vector<int64_t>{2, 2, 4, 4});
  CHECK(run.out.rejects == std::vector<std::string>{"three", "three"});
  const std::vector<StepCounts> counts = run.chain.take_counts();
  CHECK(counts[0].in == 3);
  CHECK(counts[0].out == 6);
  CHECK(counts[1].in == 6);
  CHECK(counts[1].out == 4);
  CHECK(counts[1].rejected == 2);
}

TEST_CASE("Chain: a stateful step gets the rows that its validate left and tells its state") {
  Run run({step("test.twice"), step("test.sum")});
  CHECK(run.chain.state_bytes() == 0);
  run.chain.process(numbers(1, 4), 4);
  CHECK(run.out.numbers == std::vector<int64_t>{1, 2, 4, 6, 10, 14});
  CHECK(run.out.rejects == std::vector<std::string>{"three", "three"});
  const std::vector<StepCounts> counts = run.chain.take_counts();
  CHECK(counts[1].in == 8);
  CHECK(counts[1].out == 6);
  CHECK(counts[1].rejected == 2);
  CHECK(run.chain.state_bytes() == 14);
}

TEST_CASE("Chain: the rows that validate left keep their partitions") {
  Run run({step("test.sum")});
  run.chain.process(numbers(1, 5).with_partitions({1, 2, 3, 4, 5}), 5);
  CHECK(run.out.numbers == std::vector<int64_t>{1, 3, 7, 12});
  CHECK(run.out.rejects.size() == 1);
}

TEST_CASE("Chain: a batch whose rows are all rejected is processed empty") {
  Run run({step("test.sum")});
  run.chain.process(numbers(3, 3), 1);
  CHECK(run.out.numbers.empty());
  CHECK(run.out.rejects.size() == 1);
}

TEST_CASE("Chain: counts are of what came since they were last taken") {
  Run run({step("test.twice")});
  run.chain.process(numbers(1, 3), 3);
  CHECK(run.chain.take_counts()[0].in == 3);
  run.chain.process(numbers(1, 1), 1);
  CHECK(run.chain.take_counts()[0].in == 1);
}

TEST_CASE("Chain: the end of the input reaches a step when the one before has flushed all") {
  Run run({step("test.at_the_end"), step("test.at_the_end"), step("test.twice")});
  run.chain.process(numbers(1, 3), 3);
  CHECK(run.out.numbers.empty());
  int calls = 1;
  while (run.chain.finish(0)) REQUIRE(++calls < 20);
  CHECK(run.out.numbers == std::vector<int64_t>{1, 1, 2, 2, 3, 3});
}

TEST_CASE("Chain: a kind that the program does not have is an error that names it") {
  Collected out;
  CHECK_THROWS_WITH(Chain("s", {step("test.nothing")}, {{"", kSchema}}, out),
                    Catch::Contains("test.nothing"));
}
