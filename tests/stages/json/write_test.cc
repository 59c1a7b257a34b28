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

TEST_CASE("jsonl.write: what JSON has no number for is null") {
  const TempFolder folder;
  const std::string path = folder / "out.jsonl";
  StageTester(stage_entry<JsonlWrite>(), "jsonl.write: " + path, {{"f", Type::kFloat}})
      .write({{{"f", std::numeric_limits<double>::infinity()}},
              {{"f", std::numeric_limits<double>::quiet_NaN()}}});
  CHECK(text_of(path) == "{\"f\":null}\n{\"f\":null}\n");
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
