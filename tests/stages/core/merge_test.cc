#include "stages/core/merge.h"

#include <catch2/catch.hpp>

#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

using Rows = StageTester::Rows;

const Schema kInput = {{"k", Type::kInt}, {"from", Type::kString}};

StageTester merge_of(int ports) {
  return StageTester(stage_entry<Merge>(), "core.merge: k", kInput,
                     std::vector<Schema>(static_cast<size_t>(ports - 1), kInput));
}

TEST_CASE("Merge: sorted inputs come out sorted and equal keys by input") {
  StageTester tester = merge_of(3);
  const auto row = [](Object key, const char* from) {
    return StageTester::TestRow{{"k", std::move(key)}, {"from", from}};
  };
  const auto result = tester.run_ports({{row(1, "a"), row(4, "a"), row(9, "a")},
                                        {row(nullptr, "b"), row(4, "b")},
                                        {row(2, "c"), row(3, "c"), row(4, "c"), row(10, "c")}});
  REQUIRE(result.rows == Rows{row(nullptr, "b"), row(1, "a"), row(2, "c"), row(3, "c"), row(4, "a"),
                              row(4, "b"), row(4, "c"), row(9, "a"), row(10, "c")});
  REQUIRE(result.positions[1].file == "in");
  REQUIRE(result.positions[1].line == 1);
}

TEST_CASE("Merge: empty inputs and many rows") {
  StageTester tester = merge_of(4);
  std::vector<Rows> ports(4);
  Rows expected;
  for (int64_t i = 0; i < 1000; ++i) {
    const StageTester::TestRow row = {{"k", i}, {"from", "x"}};
    ports[static_cast<size_t>(i * i % 3)].push_back(row);  // never the third or the fourth
    expected.push_back(row);
  }
  REQUIRE(tester.run_ports(ports).rows == expected);
  REQUIRE(tester.run_ports(std::vector<Rows>(4)).rows.empty());
}

// Where each input stands, and what is put out.
class Sum final : public BatchConsumer {
 public:
  int64_t rows = 0;
  void consume(int, BatchBuilder& batch) override { rows += batch.rows(); }
  void part(std::string_view) override {}
};

TEST_CASE("Merge: asks for the input whose next row it lacks") {
  Settings::Context context;
  context.inputs = {kInput, kInput};
  Merge merge(Settings(Object(Object::Map{{"by", Object::Array{"k"}}}), context));
  Sum sum;
  Outputs out("merge", {{"", kInput}}, 4096, sum);
  const auto give = [&](int port, const Rows& rows) {
    const Batch batch = batch_of_rows(kInput, rows, "in").leased(port, "", 0);
    out.begin(batch);
    merge.process(batch, out);
    out.flush();
  };
  REQUIRE(merge.next_port() == 0);
  give(0, {{{"k", 1}}, {{"k", 5}}});
  REQUIRE(merge.next_port() == 1);
  REQUIRE(sum.rows == 0);
  give(1, {{{"k", 2}}, {{"k", 3}}});
  REQUIRE(merge.next_port() == 1);
  REQUIRE(sum.rows == 3);
  merge.finish(1, out);
  out.flush();
  REQUIRE(merge.next_port() == 0);
  REQUIRE(sum.rows == 4);
  merge.finish(0, out);
  REQUIRE(!merge.next_port());
}

}  // namespace
}  // namespace towpath::core
