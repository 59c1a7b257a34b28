#include "stages/json/write.h"

#include <catch2/catch.hpp>
#include <limits>

#include "stages/json/read.h"
#include "stages/read_file.h"
#include "towpath/base/error.h"

using namespace towpath;

TEST_CASE("jsonl.write: writes every type and jsonl.read takes it back") {
  const TempFolder folder;
  const std::string path = folder / "out/rows.jsonl";
  const Schema schema = {{"s\"", Type::kString}, {"i", Type::kInt},  {"f", Type::kFloat},
                         {"b", Type::kBool},     {"d", Type::kDate}, {"o", Type::kObject},
                         {"t", Type::kTimestamp}};
  const StageTester::Rows rows = {{{"s\"", "a\n\xc3\xa4"},
                                   {"i", -1},
                                   {"f", 0.1},
                                   {"b", true},
                                   {"d", "2024-02-29"},
                                   {"o", Object::Array{1, nullptr}},
                                   {"t", "2024-02-29T12:30:00Z"}},
                                  {{"s\"", ""},
                                   {"i", nullptr},
                                   {"f", 2.0},
                                   {"b", false},
                                   {"d", nullptr},
                                   {"o", nullptr},
                                   {"t", nullptr}}};
  StageTester(stage_entry<JsonlWrite>(), "jsonl.write: " + path, schema).write(rows);
  const auto back = reader(stage_entry<JsonlRead>(), "jsonl.read", path,
                           "types: { d: date, t: timestamp, f: float }")
                        .run(rows_of_paths({path}));
  CHECK(back.rows == rows);
  CHECK(text_of(path).starts_with(
      "{\"s\\\"\":\"a\\n\xc3\xa4\",\"i\":-1,\"f\":0.1,\"b\":true,\"d\":\"2024-02-29\","));
}

TEST_CASE("jsonl.write: rows that JSON can't hold are rejected and the others stay") {
  const TempFolder folder;
  const std::string path = folder / "out.jsonl";
  const auto result = StageTester(stage_entry<JsonlWrite>(), "jsonl.write: " + path,
                                  {{"f", Type::kFloat}, {"s", Type::kString}})
                          .write({{{"f", std::numeric_limits<double>::infinity()}, {"s", "a"}},
                                  {{"f", 1.5}, {"s", "b"}},
                                  {{"f", 2.5}, {"s", "caf\xe9"}}});
  CHECK(text_of(path) == "{\"f\":1.5,\"s\":\"b\"}\n");
  REQUIRE(result.rejects.size() == 2);
  CHECK(result.rejects[0].reason == "f: JSON has no form for inf");
  CHECK(result.rejects[1].reason == "s: the text is not UTF-8");
}

TEST_CASE("jsonl.write: epochs and deaths between them change nothing") {
  const TempFolder folder;
  const std::string path = folder / "out.jsonl";
  StageTester::Rows rows;
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    rows.push_back({{"a", i}});
    expected += format("{{\"a\":{}}}\n", i);
  }
  StageTester(stage_entry<JsonlWrite>(), "jsonl.write: " + path, {{"a", Type::kInt}})
      .write_in_epochs(rows, 7);
  CHECK(text_of(path) == expected);
}
