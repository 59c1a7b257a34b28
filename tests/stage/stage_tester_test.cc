#include "towpath/stage/stage_tester.h"

#include <catch2/catch.hpp>
#include <charconv>

using namespace towpath;

namespace {

const Schema kNumbers = {{"n", Type::kInt}};

StageTester::Rows numbers(int64_t count) {
  StageTester::Rows rows;
  for (int64_t n = 0; n < count; ++n) rows.push_back({{"n", n}});
  return rows;
}

// Doubles n; refuses multiples of ten.
class Double final : public RowStage {
 public:
  static StageSpec describe() {
    return StageSpec("double")
        .field(column_field("column").default_value("n"))
        .keeps_input()
        .row_to_row();
  }
  explicit Double(const Settings& settings) : column_(settings.get_string("column")) {}
  void row(const Row& in, Outputs& out) override {
    const auto n = in.get<int64_t>(column_);
    if (n % 10 == 0) throw Invalid("a multiple of ten");
    out.main().column<int64_t>(column_).put(2 * n);
    out.main().from(in.number());
  }

 private:
  std::string column_;
};

// Numbers the rows of each batch: what no stage may do.
class NumberInBatch final : public Stage {
 public:
  static StageSpec describe() { return StageSpec("number").writes("n", Type::kInt); }
  explicit NumberInBatch(const Settings&) {}
  void process(const Batch& in, Outputs& out) override {
    auto n = out.main().column<int64_t>("n");
    for (int64_t row = 0; row < in.rows(); ++row) {
      out.main().from(row);
      n.put(row);
    }
  }
};

// Sums n by partition; `forget` leaves the state out of what it saves.
class Sum final : public Stage, public Stateful {
 public:
  static StageSpec describe() {
    return StageSpec("sum")
        .field(field("forget", FieldKind::kBool).default_value("false"))
        .field(field("by", FieldKind::kColumns).default_value("[n]"))
        .field(field("greedy", FieldKind::kBool).default_value("false"))
        .writes("sum", Type::kInt)
        .stateful()
        .keyed_by("by");
  }
  explicit Sum(const Settings& settings)
      : forget_(settings.get_bool("forget")),
        greedy_(settings.get_bool("greedy")),
        settings_(settings) {}
  void process(const Batch& in, Outputs&) override {
    for (int64_t row = 0; row < in.rows(); ++row) {
      const int partition = in.partition(row);
      if (greedy_ || settings_.owns(partition)) {
        sums_[static_cast<size_t>(partition)] += in.ints("n")[row];
      }
    }
  }
  bool finish(int, Outputs& out) override {
    auto sum = out.main().column<int64_t>("sum");
    for (; next_ < sums_.size(); ++next_) {
      if (sums_[next_] == 0) continue;
      out.main().row();
      sum.put(sums_[next_++]);
      return true;
    }
    return false;
  }
  uint64_t state_bytes() const override { return sizeof sums_; }
  void save(int partition, Encoder& out) override {
    if (forget_) return;
    const auto p = static_cast<size_t>(partition);
    out.integer(p < next_ ? 0 : sums_[p]);
  }
  void restore(int partition, Decoder& in) override {
    sums_[static_cast<size_t>(partition)] = in.integer();
  }

 private:
  bool forget_, greedy_;
  Settings settings_;
  std::array<int64_t, kPartitions> sums_{};
  size_t next_ = 0;
};

// "Reads" the numbers below n for each row n, in parts; a wrong cursor is off by one.
class Counting final : public Stage {
 public:
  static StageSpec describe() {
    return StageSpec("counting")
        .field(field("wrong", FieldKind::kBool).default_value("false"))
        .writes("i", Type::kInt)
        .reads_files();
  }
  explicit Counting(const Settings& settings) : wrong_(settings.get_bool("wrong")) {}
  void process(const Batch& in, Outputs& out) override {
    int64_t row = 0, first = 0;
    if (!in.cursor().empty()) {
      const std::string_view cursor = in.cursor();
      const size_t comma = cursor.find(',');
      std::from_chars(cursor.data(), cursor.data() + comma, row);
      std::from_chars(cursor.data() + comma + 1, cursor.data() + cursor.size(), first);
    }
    auto i = out.main().column<int64_t>("i");
    for (; row < in.rows(); ++row, first = 0) {
      for (int64_t value = first; value < in.ints("n")[row]; ++value) {
        out.main().at({"numbers", value + 1, 0});
        i.put(value);
        if (out.part_is_due()) {
          out.part(std::to_string(row) + "," + std::to_string(value + (wrong_ ? 2 : 1)));
        }
      }
    }
  }

 private:
  bool wrong_;
};

class Upto final : public Source {
 public:
  static StageSpec describe() {
    return StageSpec("upto")
        .field(field("count", FieldKind::kInt).must())
        .field(field("wrong", FieldKind::kBool).default_value("false"))
        .writes("n", Type::kInt);
  }
  explicit Upto(const Settings& settings)
      : count_(settings.get_int("count")),
        step_(static_cast<int64_t>(settings.context().batch_rows)),
        wrong_(settings.get_bool("wrong")) {}
  void open(Services&, std::optional<std::string_view> token) override {
    if (token) std::from_chars(token->data(), token->data() + token->size(), next_);
    if (token && wrong_) ++next_;
  }
  Read read(Outputs& out) override {
    auto n = out.main().column<int64_t>("n");
    for (int64_t i = 0; i < step_ && next_ < count_; ++i, ++next_) {
      out.main().at({"upto", next_ + 1, 0});
      n.put(next_);
    }
    return {next_ < count_ ? Read::kMore : Read::kEnd, std::to_string(next_)};
  }

 private:
  int64_t count_, next_ = 0, step_;
  bool wrong_;
};

// Keeps what was written in a text that stands for a file.
class Keep final : public Sink {
 public:
  static StageSpec describe() { return StageSpec("keep"); }
  static inline std::vector<int64_t> file, visible;
  static inline std::string log;
  explicit Keep(const Settings&) {}
  void open(Services&, std::optional<std::string_view> position) override {
    log += position ? "open(" + std::string(*position) + ") " : "open ";
    file.resize(position ? std::stoul(std::string(*position)) : 0);
  }
  void write(const Batch& in, Outputs& rejects) override {
    for (int64_t row = 0; row < in.rows(); ++row) {
      const int64_t n = in.ints("n")[row];
      n == 3 ? rejects.reject(in, row, "three") : file.push_back(n);
    }
  }
  std::string prepare(uint64_t, Outputs&) override { return std::to_string(file.size()); }
  void commit(uint64_t epoch) override { log += "commit" + std::to_string(epoch) + " "; }
  void close() override { visible = file; }
  void discard() override {}
};

class Misnamed final : public Stage, public Stateful {
 public:
  static StageSpec describe() { return StageSpec("misnamed").keeps_input(); }
  explicit Misnamed(const Settings&) {}
  void process(const Batch&, Outputs&) override {}
  uint64_t state_bytes() const override { return 0; }
  void save(int, Encoder&) override {}
  void restore(int, Decoder&) override {}
};

// Sums n; a multiple of ten would be a throw in the middle of process(), so validate() rejects it.
class Careful final : public Stage, public Stateful {
 public:
  static StageSpec describe() { return StageSpec("careful").writes("sum", Type::kInt).stateful(); }
  explicit Careful(const Settings&) {}
  void validate(const Batch& in, Outputs& rejects) const override {
    for (int64_t row = 0; row < in.rows(); ++row) {
      if (in.ints("n")[row] % 10 == 0) rejects.reject(in, row, "a multiple of ten");
    }
  }
  void process(const Batch& in, Outputs& out) override {
    auto sum = out.main().column<int64_t>("sum");
    for (int64_t row = 0; row < in.rows(); ++row) {
      if (in.ints("n")[row] % 10 == 0) throw Invalid("what was rejected came after all");
      sum_ += in.ints("n")[row];
      out.main().from(row);
      sum.put(sum_);
    }
  }
  uint64_t state_bytes() const override { return sizeof sum_; }
  void save(int partition, Encoder& out) override {
    if (partition == 0) out.integer(sum_);
  }
  void restore(int partition, Decoder& in) override {
    if (partition == 0) sum_ = in.integer();
  }

 private:
  int64_t sum_ = 0;
};

// Takes its second input first.
class SecondFirst final : public Stage {
 public:
  static StageSpec describe() { return StageSpec("second").keeps_input(); }
  explicit SecondFirst(const Settings&) {}
  std::optional<int> next_port() override { return second_ended_ ? 0 : 1; }
  void process(const Batch& in, Outputs& out) override {
    for (int64_t row = 0; row < in.rows(); ++row) out.main().forward_row(in, row);
  }
  bool finish(int port, Outputs&) override {
    second_ended_ = second_ended_ || port == 1;
    return false;
  }

 private:
  bool second_ended_ = false;
};

}  // namespace

TEST_CASE("StageTester: rows and positions and rejects of a row stage") {
  StageTester tester(stage_entry<Double>(), "double:", kNumbers);
  CHECK(tester.output() == kNumbers);
  const auto result = tester.run(numbers(25));
  REQUIRE(result.rows.size() == 22);
  CHECK(result.rows[0] == StageTester::TestRow{{"n", 2}});
  CHECK(result.positions[0].file == "in");
  CHECK(result.positions[0].line == 2);
  CHECK(result.positions[0].byte == 1);
  CHECK(result.rejects ==
        std::vector<StageTester::RejectRow>{{"in", 1, 0, "a multiple of ten", "{\"n\":0}"},
                                            {"in", 11, 10, "a multiple of ten", "{\"n\":10}"},
                                            {"in", 21, 20, "a multiple of ten", "{\"n\":20}"}});
}

TEST_CASE("StageTester: a stage that depends on where batches end is caught") {
  StageTester tester(stage_entry<NumberInBatch>(), "number:", kNumbers);
  CHECK_THROWS_WITH(
      tester.run(numbers(20)),
      Catch::Contains("with batches of 7, row 7 is {\"n\":0}, but with batches of 4096 it is "
                      "{\"n\":7}"));
  CHECK_THROWS_AS(tester.run(numbers(20)), Bug);
  CHECK_NOTHROW(tester.run(numbers(1)));
}

TEST_CASE("StageTester: a stateful stage is saved and restored") {
  const auto result = StageTester(stage_entry<Sum>(), "sum:", kNumbers).run(numbers(100));
  int64_t sum = 0;
  for (const auto& row : result.rows) sum += row[0].second.as_int();
  CHECK(sum == 99 * 100 / 2);
  CHECK(result.rows.size() > 30);
}

TEST_CASE("StageTester: a stateful stage does not see the rows that its validate rejected") {
  const auto result = StageTester(stage_entry<Careful>(), "careful:", kNumbers).run(numbers(25));
  REQUIRE(result.rows.size() == 22);
  CHECK(result.rows.back()[0].second.as_int() == 24 * 25 / 2 - 30);
  CHECK(result.positions[9].line == 12);  // row 10 is left out
  CHECK(result.rejects ==
        std::vector<StageTester::RejectRow>{{"in", 1, 0, "a multiple of ten", "{\"n\":0}"},
                                            {"in", 11, 10, "a multiple of ten", "{\"n\":10}"},
                                            {"in", 21, 20, "a multiple of ten", "{\"n\":20}"}});
}

TEST_CASE("StageTester: a stateful stage that forgets is caught") {
  StageTester tester(stage_entry<Sum>(), "sum: { forget: true }", kNumbers);
  CHECK_THROWS_WITH(tester.run(numbers(100)),
                    Catch::Contains("with batches of 4096, saved and restored after each, row"));
}

TEST_CASE("StageTester: a keyed stage that takes rows of others is caught") {
  StageTester tester(stage_entry<Sum>(), "sum: { greedy: true }", kNumbers);
  CHECK_THROWS_WITH(tester.run(numbers(100)), Catch::Contains("with two members"));
}

TEST_CASE("StageTester: a spec that hides a state is caught") {
  CHECK_THROWS_WITH(StageTester(stage_entry<Misnamed>(), "misnamed:", kNumbers).run(numbers(1)),
                    Catch::Contains("its spec says it isn't stateful"));
}

TEST_CASE("StageTester: a reader goes on from its cursor after every part") {
  StageTester tester(stage_entry<Counting>(), "counting:", kNumbers);
  const auto result = tester.run({{{"n", 5}}, {{"n", 0}}, {{"n", 9}}});
  CHECK(result.rows.size() == 14);
  CHECK(result.positions[13].line == 9);
}

TEST_CASE("StageTester: a reader with a wrong cursor is caught") {
  StageTester tester(stage_entry<Counting>(), "counting: { wrong: true }", kNumbers);
  CHECK_THROWS_WITH(tester.run({{{"n", 5}}, {{"n", 0}}, {{"n", 9}}}),
                    Catch::Contains("redelivered after every part, row"));
}

TEST_CASE("StageTester: a source is read to its end and again from every token") {
  StageTester tester(stage_entry<Upto>(), "upto: { count: 20 }");
  CHECK(tester.read(7).rows.size() == 20);
  CHECK(tester.read().rows.size() == 20);
  CHECK_THROWS_WITH(StageTester(stage_entry<Upto>(), "upto: { count: 20, wrong: true }").read(7),
                    Catch::Contains("with a fresh source after every read, row 7 is {\"n\":8}"));
}

TEST_CASE("StageTester: a sink is written and prepared and committed and closed") {
  Keep::log.clear();
  StageTester tester(stage_entry<Keep>(), "keep:", kNumbers);
  const auto result = tester.write(numbers(5), 2);
  CHECK(Keep::visible == std::vector<int64_t>{0, 1, 2, 4});
  REQUIRE(result.rejects.size() == 1);
  CHECK(result.rejects[0].reason == "three");
  CHECK(Keep::log == "open commit1 ");
}

TEST_CASE("StageTester: a sink can have an epoch and a death after every batch") {
  Keep::log.clear();
  StageTester(stage_entry<Keep>(), "keep:", kNumbers).write_in_epochs(numbers(5), 2);
  CHECK(Keep::visible == std::vector<int64_t>{0, 1, 2, 4});
  CHECK(Keep::log == "open open(2) commit1 open(3) commit2 open(4) commit3 commit4 ");
}

TEST_CASE("StageTester: several inputs are read as the stage asks for them") {
  StageTester tester(stage_entry<SecondFirst>(), "second:", kNumbers, {kNumbers});
  const auto result = tester.run_ports({{{{"n", 1}}, {{"n", 2}}}, {{{"n", 3}}}});
  CHECK(result.rows == StageTester::Rows{{{"n", 3}}, {{"n", 1}}, {{"n", 2}}});
  CHECK(result.positions[0].file == "in2");
  CHECK_THROWS_WITH(tester.run_ports({{}, {}, {}}), Catch::Contains("has no input 2"));
}

TEST_CASE("StageTester: wrong fields and columns are errors as check says them") {
  CHECK_THROWS_WITH(
      StageTester(stage_entry<Double>(), "double: { colum: n }", kNumbers),
      Catch::Contains("test:1:11: error:") && Catch::Contains("did you mean \"column\"?"));
  CHECK_THROWS_WITH(
      StageTester(stage_entry<Double>(), "double: { column: m }", kNumbers),
      Catch::Contains("test:1:19: error: stage \"double\": there is no column \"m\""));
  CHECK_THROWS_WITH(StageTester(stage_entry<Double>(), "duoble: {}", kNumbers),
                    Catch::Contains("a test of double begins with \"double:\""));
  CHECK_THROWS_AS(StageTester(stage_entry<Upto>(), "upto: {}"), Invalid);
}

TEST_CASE("StageTester: rows that do not fit the input are Invalid") {
  StageTester tester(stage_entry<Double>(), "double:", kNumbers);
  CHECK_THROWS_WITH(tester.run({{{"m", 1}}}), Catch::Contains("a row has column \"m\""));
  CHECK_THROWS_WITH(tester.run({{{"n", "one"}}}), "column \"n\" is int, which \"one\" is not");
}

TEST_CASE("batch_of_rows: values of every type come back as they were") {
  const Schema schema = {{"b", Type::kBool},      {"i", Type::kInt},    {"f", Type::kFloat},
                         {"s", Type::kString},    {"x", Type::kBinary}, {"d", Type::kDate},
                         {"t", Type::kTimestamp}, {"o", Type::kObject}};
  const ObjectRows rows = {{{"b", true},
                            {"i", -5},
                            {"f", 2.5},
                            {"s", "text"},
                            {"x", Object::Binary{std::string("\0\xff", 2)}},
                            {"d", "2024-02-29"},
                            {"t", "2024-02-29T12:30:00.25Z"},
                            {"o", Object::Array{1, nullptr, "x"}}},
                           {{"s", ""}}};
  const Batch batch = batch_of_rows(schema, rows, "in", 8);
  CHECK(object_row(batch, 0) == rows[0]);
  CHECK(object_row(batch, 1)[3].second == Object(""));
  CHECK(object_row(batch, 1)[0].second.is_nil());
  CHECK(batch.position(1).line == 9);
  CHECK(show_row({{"a", 1}, {"b", "x"}}) == "{\"a\":1,\"b\":\"x\"}");
}
