#include "towpath/stage/outputs.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "towpath/message/json.h"
#include "towpath/stage/object_rows.h"
#include "towpath/stage/stage.h"

using namespace towpath;

namespace {

// Keeps every batch that is cut.
class Kept final : public BatchConsumer {
 public:
  std::vector<Batch> main, other, rejects;
  std::vector<size_t> image_sizes;
  std::vector<std::string> parts;
  size_t batches_at_part = 0;

  void consume(int number, BatchBuilder& batch) override {
    image_sizes.push_back(batch.layout().size);
    (number == kRejects ? rejects : number == 0 ? main : other).push_back(batch.to_batch());
  }
  void part(std::string_view cursor) override {
    parts.emplace_back(cursor);
    batches_at_part = main.size();
  }

  std::vector<int64_t> sizes() const {
    std::vector<int64_t> rows;
    for (const Batch& batch : main) rows.push_back(batch.rows());
    return rows;
  }
  ObjectRows rows() const {
    ObjectRows all;
    for (const Batch& batch : main) {
      for (int64_t row = 0; row < batch.rows(); ++row) all.push_back(object_row(batch, row));
    }
    return all;
  }
};

const Schema kWords = {{"word", Type::kString}, {"n", Type::kInt}};

Batch words(int64_t count, size_t length = 1) {
  BatchBuilder batch(kWords);
  for (int64_t i = 0; i < count; ++i) {
    batch.add_row({"words.txt", i + 1, i * 10});
    batch.column(0).put_text(std::string(length, static_cast<char>('a' + i % 26)));
    i % 3 == 2 ? batch.column(1).put_null() : batch.column(1).put_int(i);
  }
  return batch.to_batch();
}

std::vector<int32_t> all_rows(const Batch& batch) {
  std::vector<int32_t> rows(static_cast<size_t>(batch.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

int64_t sum(const std::vector<int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), int64_t{0});
}

}  // namespace

TEST_CASE("Output: a batch is cut at batch_rows and the rest at the flush") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 3, kept);
  const Batch in = words(7);
  out.begin(in);
  auto word = out.main().column<std::string_view>("word");
  auto n = out.main().column<int64_t>("n");
  for (int64_t row = 0; row < in.rows(); ++row) {
    CHECK(out.main().from(row) == row % 3);
    word.put(in.strings("word")[row]);
    n.put(row);
  }
  CHECK(kept.sizes() == std::vector<int64_t>{3, 3});
  out.flush();
  REQUIRE(kept.sizes() == std::vector<int64_t>{3, 3, 1});
  CHECK(kept.rows()[4] == ObjectRow{{"word", "e"}, {"n", 4}});
  CHECK(kept.main[1].position(1).file == "words.txt");
  CHECK(kept.main[1].position(1).line == 5);
  CHECK(kept.main[1].position(1).byte == 40);
  out.flush();
  CHECK(kept.main.size() == 3);
}

TEST_CASE("Output: columns may be put before the row begins") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 2, kept);
  out.begin();
  auto word = out.main().column<std::string_view>("word");
  auto n = out.main().column<int64_t>("n");
  for (int64_t row = 0; row < 5; ++row) {
    n.put(row);
    word.put("w");
    CHECK(out.main().at({"f", row, 0}) == row % 2);
  }
  out.flush();
  CHECK(kept.sizes() == std::vector<int64_t>{2, 2, 1});
}

TEST_CASE("Output: a batch is cut by its bytes so that its image fits a block") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 65536, kept);
  out.begin();
  auto word = out.main().column<std::string_view>("word");
  auto n = out.main().column<int64_t>("n");
  for (int64_t row = 0; row < 100'000; ++row) {
    out.main().at({"f", row + 1, row * 50});
    word.put(std::string(50, 'x'));
    n.put(row);
  }
  out.flush();
  CHECK(sum(kept.sizes()) == 100'000);
  REQUIRE(kept.image_sizes.size() > 4);
  for (size_t i = 0; i < kept.image_sizes.size(); ++i) {
    CHECK(kept.image_sizes[i] <= 1 << 20);
    if (i + 1 < kept.image_sizes.size()) CHECK(kept.image_sizes[i] > 800 << 10);
  }
}

TEST_CASE("Output: only a row that is too large by itself makes a large batch") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 65536, kept);
  out.begin();
  auto word = out.main().column<std::string_view>("word");
  auto n = out.main().column<int64_t>("n");
  for (const size_t length : {1u, 500'000u, 3'000'000u, 10u, 20u}) {
    out.main().row();
    word.put(std::string(length, 'x'));
    n.put_null();
  }
  out.flush();
  CHECK(kept.sizes() == std::vector<int64_t>{2, 1, 2});
}

TEST_CASE("Output: wrong names and types of columns are bugs that name stage and column") {
  Kept kept;
  Outputs out("clean", {{"", kWords}}, 10, kept);
  CHECK_THROWS_WITH(out.main().column<int64_t>("m"),
                    Catch::Contains("clean") && Catch::Contains("\"m\""));
  CHECK_THROWS_AS(out.main().column<int64_t>("m"), Bug);
  CHECK_THROWS_WITH(out.main().column<double>("n"), Catch::Contains("as float, but it is int"));
  CHECK_THROWS_WITH(out.main().column<std::string_view>("n"),
                    Catch::Contains("as text, but it is int"));
  CHECK_THROWS_AS(out["other"], Bug);
  CHECK_THROWS_AS(out[1], Bug);
  CHECK_THROWS_AS(out.main().from(0), Bug);
}

TEST_CASE("Output: a row that lacks a value is a bug that names the column") {
  Kept kept;
  Outputs out("clean", {{"", kWords}}, 10, kept);
  out.main().column<std::string_view>("word").put("x");
  out.main().row();
  CHECK_THROWS_WITH(out.flush(), Catch::Contains("put 0 values into column \"n\" for 1 rows"));
}

TEST_CASE("Output: forward copies the rows with nulls and positions") {
  Kept kept;
  Outputs out("s", {{"", {{"n", Type::kInt}, {"word", Type::kString}}}}, 65536, kept);
  const Batch in = words(9);
  out.begin(in);
  out.main().forward(in, std::vector<int32_t>{1, 2, 5, 8});
  out.main().forward(in, std::vector<int32_t>{});
  out.main().forward_row(in, 0);
  out.flush();
  CHECK(kept.rows() == ObjectRows{{{"n", 1}, {"word", "b"}},
                                  {{"n", nullptr}, {"word", "c"}},
                                  {{"n", nullptr}, {"word", "f"}},
                                  {{"n", nullptr}, {"word", "i"}},
                                  {{"n", 0}, {"word", "a"}}});
  CHECK(kept.main[0].position(3).line == 9);
  CHECK(kept.main[0].position(4).line == 1);
}

TEST_CASE("Output: forward leaves out what is bound, missing or of another type") {
  Kept kept;
  const Schema schema = {{"word", Type::kString}, {"n", Type::kFloat}, {"new", Type::kInt}};
  Outputs out("s", {{"", schema}}, 65536, kept);
  const Batch in = words(3);
  out.begin(in);
  auto n = out.main().column<double>("n");
  ColumnBuilder& fresh = out.main().builder("new");
  out.main().forward(in, all_rows(in));
  for (int i = 0; i < 3; ++i) {
    n.put(i * 1.5);
    fresh.put_int(i);
  }
  out.flush();
  CHECK(kept.rows()[1] == ObjectRow{{"word", "b"}, {"n", 1.5}, {"new", 1}});
}

TEST_CASE("Output: what was bound counts until the next batch begins") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 65536, kept);
  const Batch in = words(2);
  out.begin(in);
  auto n = out.main().column<int64_t>("n");
  out.main().forward_row(in, 0);
  n.put(7);
  out.begin(in);
  out.main().forward_row(in, 1);
  out.flush();
  CHECK(kept.rows() == ObjectRows{{{"word", "a"}, {"n", 7}}, {{"word", "b"}, {"n", 1}}});
}

TEST_CASE("Output: forward of many rows keeps to the limits") {
  Kept kept;
  const Batch in = words(20'000, 100);
  Outputs by_rows("s", {{"", kWords}}, 7, kept);
  by_rows.begin(in);
  by_rows.main().forward(in, all_rows(in));
  by_rows.flush();
  CHECK(kept.main.size() == (20'000 + 6) / 7);
  CHECK(kept.sizes().front() == 7);

  Kept by_bytes;
  Outputs out("s", {{"", kWords}}, 65536, by_bytes);
  out.begin(in);
  out.main().forward(in, all_rows(in));
  out.flush();
  CHECK(sum(by_bytes.sizes()) == 20'000);
  for (const size_t size : by_bytes.image_sizes) CHECK(size <= 1 << 20);
  CHECK(by_bytes.rows() == kept.rows());
}

TEST_CASE("Output: what a stage stages by columns beyond the limits is cut in pieces") {
  const Schema wide = {{"word", Type::kString}, {"n", Type::kInt}, {"twice", Type::kString}};
  const Batch in = words(9'000, 100);
  for (const uint64_t batch_rows : {7u, 65536u}) {
    Kept kept;
    Outputs out("s", {{"", wide}}, batch_rows, kept);
    out.begin(in);
    ColumnBuilder& twice = out.main().builder("twice");
    out.main().forward(in, all_rows(in));
    twice.append(in.column("word"), 0, in.rows());
    out.flush();
    CHECK(sum(kept.sizes()) == 9'000);
    CHECK(kept.main.size() > 1);
    for (const int64_t rows : kept.sizes()) CHECK(static_cast<uint64_t>(rows) <= batch_rows);
    for (const size_t size : kept.image_sizes) CHECK(size <= 1 << 20);
    const ObjectRows rows = kept.rows();
    CHECK(rows[8'999] == ObjectRow{{"word", std::string(100, 'd')},
                                   {"n", nullptr},
                                   {"twice", std::string(100, 'd')}});
    CHECK(kept.main.back().position(kept.main.back().rows() - 1).line == 9'000);
  }
}

TEST_CASE("Output: forward sees another batch at the same address as another") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 65536, kept);
  out.begin();
  for (int i = 0; i < 20; ++i) {
    BatchBuilder one(i % 2 == 0 ? kWords : Schema{{"n", Type::kInt}, {"word", Type::kString}});
    one.add_row_without_position();
    one.column(i % 2 == 0 ? 0 : 1).put_text("w");
    one.column(i % 2 == 0 ? 1 : 0).put_int(i);
    const Batch in = one.to_batch();
    out.main().forward_row(in, 0);
  }
  out.flush();
  for (int i = 0; i < 20; ++i) CHECK(kept.rows()[static_cast<size_t>(i)][1].second == Object(i));
}

TEST_CASE("Outputs: the batch is let go at the end of its lease but not at a part") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 65536, kept);
  const Batch in = words(2);
  out.begin(in);
  auto n = out.main().column<int64_t>("n");
  for (int64_t row = 0; row < 2; ++row) {
    out.main().forward_row(in, row);
    n.put(7);
    out.part(std::to_string(row));
  }
  out.flush();
  CHECK_THROWS_AS(out.main().from(0), Bug);
  out.main().forward_row(in, 1);  // n is bound no more
  out.flush();
  CHECK(kept.rows() == ObjectRows{{{"word", "a"}, {"n", 7}},
                                  {{"word", "b"}, {"n", 7}},
                                  {{"word", "b"}, {"n", 1}}});
}

TEST_CASE("Outputs: a reject keeps position and reason and the row as JSON") {
  Kept kept;
  Outputs out("clean", {{"", kWords}}, 100, kept);
  const Batch in = words(3);
  out.begin(in);
  out.reject(in, 2, "no n");
  out.reject({"a.csv", 7, 123}, "x,\"y", "ragged");
  out.reject(SourcePosition{}, "", "sum too large");
  CHECK(out.rejected() == 3);
  out.flush();
  REQUIRE(kept.rejects.size() == 1);
  const Batch& rejects = kept.rejects[0];
  CHECK(object_row(rejects, 0) == ObjectRow{{"stage", "clean"},
                                            {"file", "words.txt"},
                                            {"line", 3},
                                            {"byte", 20},
                                            {"reason", "no n"},
                                            {"raw", "{\"word\":\"c\",\"n\":null}"}});
  CHECK(object_row(rejects, 1)[5].second == Object("x,\"y"));
  CHECK(object_row(rejects, 1)[3].second == Object(123));
  CHECK(rejects.column("file").is_null(2));
  CHECK(rejects.position(1).line == 7);
}

TEST_CASE("Outputs: the raw row of a reject is cut at a whole character") {
  Kept kept;
  Outputs out("clean", {{"", kWords}}, 100, kept);
  std::string raw(kMaxRaw - 1, 'x');
  raw += "\xc3\xa4 and more";
  out.reject({"f", 1, 0}, raw, "why");
  const Batch in = words(1, 5'000'000);
  out.begin(in);
  out.reject(in, 0, "too large");
  out.flush();
  CHECK(kept.rejects[0].strings("raw")[0].size() == kMaxRaw - 1);
  CHECK(kept.rejects[0].strings("raw")[1].size() == kMaxRaw);
}

TEST_CASE("Outputs: a reject shows values of every type as JSON") {
  Kept kept;
  const Schema schema = {{"b", Type::kBool},    {"f", Type::kFloat},     {"bin", Type::kBinary},
                         {"d", Type::kDate},    {"t", Type::kTimestamp}, {"o", Type::kObject},
                         {"s\"", Type::kString}};
  Outputs out("s", {{"", schema}}, 100, kept);
  Object::Array list = {1, "x"};
  const Batch in = batch_of_rows(schema,
                                 ObjectRows{{{"b", true},
                                             {"f", 1.5},
                                             {"bin", Object::Binary{"ab"}},
                                             {"d", "2024-02-29"},
                                             {"t", "2024-02-29T12:00:00Z"},
                                             {"o", list},
                                             {"s\"", "\n"}}},
                                 "in");
  out.begin(in);
  out.reject(in, 0, "why");
  out.flush();
  CHECK(
      kept.rejects[0].strings("raw")[0] ==
      R"({"b":true,"f":1.5,"bin":"YWI=","d":"2024-02-29","t":"2024-02-29T12:00:00Z","o":[1,"x"],"s\"":"\n"})");
}

TEST_CASE("Outputs: a part hands out what is staged and then names the cursor") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 3, kept);
  out.begin();
  auto word = out.main().column<std::string_view>("word");
  auto n = out.main().column<int64_t>("n");
  CHECK_FALSE(out.part_is_due());
  for (int64_t row = 0; row < 8; ++row) {
    out.main().at({"f", row + 1, row});
    word.put("w");
    n.put(row);
    CHECK(out.part_is_due() == (row % 3 == 2));  // when full, not one row later
    if (out.part_is_due()) {
      out.part(std::to_string(row));
      CHECK(kept.batches_at_part == kept.main.size());
    }
  }
  out.flush();
  CHECK(kept.parts == std::vector<std::string>{"2", "5"});
  CHECK(kept.sizes() == std::vector<int64_t>{3, 3, 2});
}

TEST_CASE("Outputs: rejects alone make a part due") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 3, kept);
  for (int i = 0; i < 3; ++i) out.reject({"f", 1, 0}, "x", "bad");
  CHECK(out.part_is_due());
  out.part("c");
  CHECK_FALSE(out.part_is_due());
  CHECK(kept.rejects.size() == 1);
}

TEST_CASE("Outputs: outputs are found by name and number") {
  Kept kept;
  Outputs out("s", {{"", kWords}, {"rest", {{"n", Type::kInt}}}}, 3, kept);
  out["rest"].column<int64_t>("n").put(1);
  out["rest"].row();
  out.flush();
  CHECK(kept.main.empty());
  CHECK(kept.other.size() == 1);
  CHECK(&out[0] == &out.main());
}

namespace {

// Puts two rows for each input row, then throws for those without n.
class Doubler final : public RowStage {
 public:
  void row(const Row& in, Outputs& out) override {
    for (int i = 0; i < 2; ++i) {
      out.main().forward_row(in.batch(), in.number());
      if (in.is_null("n")) {
        out.reject({"f", 1, 0}, "", "not this one either");
        throw Invalid("n is null");
      }
    }
  }
};

}  // namespace

TEST_CASE("RowStage: a throw drops what the row put out and rejects exactly it") {
  for (const uint64_t batch_rows : {1u, 3u, 4u, 100u}) {
    Kept kept;
    Outputs out("double", {{"", kWords}}, batch_rows, kept);
    const Batch in = words(6);
    Doubler stage;
    out.begin(in);
    stage.process(in, out);
    out.flush();
    CHECK(out.rejected() == 2);
    ObjectRows expected;
    for (const int i : {0, 0, 1, 1, 3, 3, 4, 4}) {
      expected.push_back({{"word", std::string(1, static_cast<char>('a' + i))}, {"n", i}});
    }
    CHECK(kept.rows() == expected);
    std::vector<std::string> reasons;
    for (const Batch& batch : kept.rejects) {
      for (int64_t row = 0; row < batch.rows(); ++row) {
        reasons.emplace_back(batch.strings("reason")[row]);
        CHECK(batch.position(row).line % 3 == 0);
      }
    }
    CHECK(reasons == std::vector<std::string>{"n is null", "n is null"});
  }
}

TEST_CASE("RowStage: rows of one call are not torn apart by a cut and a rollback") {
  Kept kept;
  Outputs out("s", {{"", kWords}}, 2, kept);
  const Batch in = words(2);
  out.begin(in);
  out.mark();
  for (int i = 0; i < 5; ++i) out.main().forward_row(in, 0);
  CHECK(kept.main.empty());
  out.rollback();
  out.release();
  out.flush();
  CHECK(kept.main.empty());
}
