#include "stages/csv/write.h"

#include <catch2/catch.hpp>

#include "stages/csv/read.h"
#include "stages/read_file.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {
const Schema kSchema = {{"s", Type::kString},   {"i", Type::kInt},  {"f", Type::kFloat},
                        {"b", Type::kBool},     {"d", Type::kDate}, {"o", Type::kObject},
                        {"t", Type::kTimestamp}};

StageTester::TestRow row(Object s, Object i, Object f, Object b, Object d, Object o, Object t) {
  return {{"s", s}, {"i", i}, {"f", f}, {"b", b}, {"d", d}, {"o", o}, {"t", t}};
}
}  // namespace

TEST_CASE("csv.write: quotes what needs it and tells null from an empty text") {
  const TempFolder folder;
  const std::string path = folder / "new/out.csv";
  StageTester tester(stage_entry<CsvWrite>(), "csv.write: " + path,
                     {{"a b", Type::kString}, {"c,d", Type::kString}});
  tester.write({{{"a b", "plain"}, {"c,d", "with, comma"}},
                {{"a b", nullptr}, {"c,d", ""}},
                {{"a b", "say \"hi\""}, {"c,d", "two\nlines"}},
                {{"a b", "cr\r"}, {"c,d", " space "}}});
  CHECK(text_of(path) ==
        "a b,\"c,d\"\nplain,\"with, comma\"\n,\"\"\n\"say \"\"hi\"\"\",\"two\nlines\"\n\"cr\r\", "
        "space \n");
}

TEST_CASE("csv.write: writes every type as csv.read takes it") {
  const TempFolder folder;
  const std::string path = folder / "out.csv";
  const StageTester::Rows rows = {
      row("x", 1, 0.1, true, "2024-02-29", Object::Array{1, "a"}, "2024-02-29T12:30:00.25Z"),
      row("", -9223372036854775807, 1e300, false, "1969-12-31", nullptr, nullptr)};
  StageTester(stage_entry<CsvWrite>(), "csv.write: " + path, kSchema).write(rows);
  CHECK(text_of(path) ==
        "s,i,f,b,d,o,t\nx,1,0.1,true,2024-02-29,\"[1,\"\"a\"\"]\",2024-02-29T12:30:00.25Z\n"
        "\"\",-9223372036854775807,1e+300,false,1969-12-31,,\n");
  const auto back = reader(stage_entry<CsvRead>(), "csv.read", path).run(rows_of_paths({path}));
  CHECK(back.rows.at(0).at(4).second == Object("2024-02-29"));
  CHECK(back.rows.at(1).at(1).second == Object(int64_t{-9223372036854775807}));
}

TEST_CASE("csv.write: header and delimiter are choices") {
  const TempFolder folder;
  const std::string path = folder / "out.tsv";
  StageTester(stage_entry<CsvWrite>(),
              format("csv.write: {{ path: {}, header: false, delimiter: tab }}", path),
              {{"a", Type::kString}, {"b", Type::kInt}})
      .write({{{"a", "x,y"}, {"b", 1}}, {{"a", "x\ty"}, {"b", nullptr}}});
  CHECK(text_of(path) == "x,y\t1\n\"x\ty\"\t\n");
  CHECK_THROWS_WITH(
      StageTester(stage_entry<CsvWrite>(), "csv.write: { path: x, delimiter: \"\\n\" }", kSchema)
          .write({}),
      Contains("delimiter"));
  CHECK_THROWS_WITH(StageTester(stage_entry<CsvWrite>(), "csv.write:", kSchema), Contains("path"));
}

TEST_CASE("csv.write: no rows still make a file with a header") {
  const TempFolder folder;
  const std::string path = folder / "out.csv";
  StageTester(stage_entry<CsvWrite>(), "csv.write: " + path, {{"a", Type::kInt}}).write({});
  CHECK(text_of(path) == "a\n");
}

TEST_CASE("csv.write: epochs and deaths between them change nothing") {
  const TempFolder folder;
  const std::string path = folder / "out.csv";
  StageTester::Rows rows;
  std::string expected = "a\n";
  for (int i = 0; i < 50; ++i) {
    rows.push_back({{"a", i}});
    expected += std::to_string(i) + "\n";
  }
  StageTester(stage_entry<CsvWrite>(), "csv.write: " + path, {{"a", Type::kInt}})
      .write_in_epochs(rows, 7);
  CHECK(text_of(path) == expected);
}
