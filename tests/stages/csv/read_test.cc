#include "stages/csv/read.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "input/compress.h"
#include "stages/read_file.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;
using Rows = StageTester::Rows;

namespace {

StageTester::Result read_files(const std::vector<std::string>& paths,
                               std::string_view options = "") {
  return reader(stage_entry<CsvRead>(), "csv.read", paths.front(), options)
      .run(rows_of_paths(paths));
}

StageTester::Result read(std::string_view text, std::string_view options = "") {
  const TempFolder folder;
  return read_files({folder.file("a.csv", text)}, options);
}

// Rows of one or two columns of text, as "a|b;c|d"; null as ~.
std::string show(const StageTester::Result& result) {
  std::string text;
  for (const auto& row : result.rows) {
    text += text.empty() ? "" : ";";
    for (size_t i = 0; i < row.size(); ++i) {
      text += i > 0 ? "|" : "";
      text += row[i].second.is_nil() ? "~" : row[i].second.as_string();
    }
  }
  return text;
}

}  // namespace

TEST_CASE("csv.read: cells and records as RFC 4180 has them") {
  CHECK(show(read("h,i\r\na,b\r\nc,d\r\n")) == "a|b;c|d");
  CHECK(show(read("h,i\na,b\nc,d")) == "a|b;c|d");
  CHECK(show(read("h,i\n\"a\",\"b\"\n\"c\",d\r\n")) == "a|b;c|d");
  CHECK(show(read("h,i\n\"a\nb\",\"c,d\"\n\"x\r\ny\",\"z\"")) == "a\nb|c,d;x\r\ny|z");
  CHECK(show(read("h,i\n\"\"\"a\"\"\",\"b\"\"\"\"c\"\n\"\"\"\",\"\"\n")) == "\"a\"|b\"\"c;\"|");
  CHECK(show(read("h,i\na\"b,c \"d\"\n a , b\n")) == "a\"b|c \"d\"; a | b");
  CHECK(show(read("\xef\xbb\xbfh,i\na,b\n")) == "a|b");
  CHECK(show(read("h,i\na,b\r")) == "a|b");
}

TEST_CASE("csv.read: an unquoted empty cell is null and a quoted one is a text") {
  CHECK(show(read("h,i\n,\"\"\nx,\n\"\",y\n")) == "~|;x|~;|y");
  CHECK(read("n,s\n1,a\n\"\",b\n,c\n").rows ==
        Rows{{{"n", 1}, {"s", "a"}}, {{"n", nullptr}, {"s", "b"}}, {{"n", nullptr}, {"s", "c"}}});
}

TEST_CASE("csv.read: blank lines are passed over where a row has several cells") {
  CHECK(show(read("h,i\n\na,b\n\r\nc,d\n\n\n")) == "a|b;c|d");
  CHECK(show(read("h\na\n\n\"\"\nb\n")) == "a;~;;b");
}

TEST_CASE("csv.read: learns types from the file") {
  const TempFolder folder;
  const std::string path = folder.file(
      "a.csv",
      "i,f,b,d,t,z,big,e,m,w,q\n"
      "1,1,true,2024-02-29,2024-02-29T12:00:00Z,007,1,,2024-01-01,nan,\"5\"\n"
      "-5,2.5,false,1999-12-31,2024-02-29 12:00:00.5,12,99999999999999999999,,x,1,\"\"\n"
      ",1e3,,,,,,,,,\n");
  StageTester tester = reader(stage_entry<CsvRead>(), "csv.read", path);
  CHECK(show_schema(tester.output()) ==
        "i:int, f:float, b:bool, d:date, t:timestamp, z:string, big:string, e:string, m:string, "
        "w:string, q:int");
  const auto result = tester.run(rows_of_paths({path}));
  REQUIRE(result.rows.size() == 3);
  CHECK(result.rows[1].at(1).second == Object(2.5));
  CHECK(result.rows[0].at(3).second == Object("2024-02-29"));
  CHECK(result.rows[1].at(4).second == Object("2024-02-29T12:00:00.5Z"));
  for (const auto& [name, value] : result.rows[2]) CHECK(value.is_nil() == (name != "f"));
}

TEST_CASE("csv.read: types given go before types learnt") {
  const auto result = read("a,b\n1,2\n3,4\n", "types: { a: string, b: float }");
  CHECK(result.rows == Rows{{{"a", "1"}, {"b", 2.0}}, {{"a", "3"}, {"b", 4.0}}});
  CHECK(read("a\nTRUE\nfalse\n", "types: { a: bool }").rows == Rows{{{"a", true}}, {{"a", false}}});
}

TEST_CASE("csv.read: rows that do not fit are rejected with place and text") {
  const TempFolder folder;
  const std::string path = folder.file(
      "a.csv", "n,s\n1,a\n2\n3,\"b\nb\"\n4,c,d\nx,\"e\ne\"\n5,\"f\"g\n6,h\n7,\"i\n8,j\n");
  const auto result = read_files({path}, "types: { n: int }");
  CHECK(result.rows == Rows{{{"n", 1}, {"s", "a"}},
                            {{"n", 3}, {"s", "b\nb"}},
                            {{"n", 6}, {"s", "h"}},
                            {{"n", 8}, {"s", "j"}}});
  REQUIRE(result.rejects.size() == 5);
  CHECK(result.rejects[0] == StageTester::RejectRow{path, 3, 8, "1 cell, expected 2", "2"});
  CHECK(result.rejects[1] == StageTester::RejectRow{path, 6, 18, "3 cells, expected 2", "4,c,d"});
  CHECK(result.rejects[2] ==
        StageTester::RejectRow{path, 7, 24, "n: \"x\" is not an int", "x,\"e\ne\""});
  CHECK(result.rejects[3].line == 9);
  CHECK(result.rejects[3].reason == "text follows the closing quote of a cell");
  CHECK(result.rejects[4] ==
        StageTester::RejectRow{path, 11, 43, "a quoted cell is never closed", "7,\"i"});
}

TEST_CASE("csv.read: a stray quote costs its own line only") {
  CHECK(show(read("a,b\n1,\"x\n2,\"y\"\n3,z\n", "types: { a: string }")) == "2|y;3|z");
}

TEST_CASE("csv.read: files with a header may have their columns in any order") {
  const TempFolder folder;
  const auto result =
      read_files({folder.file("1.csv", "a,b\n1,x\n"), folder.file("2.csv", "b,a\ny,2\n")});
  CHECK(result.rows == Rows{{{"a", 1}, {"b", "x"}}, {{"a", 2}, {"b", "y"}}});
}

TEST_CASE("csv.read: a file whose header differs is rejected whole unless asked otherwise") {
  const TempFolder folder;
  const std::vector<std::string> paths = {
      folder.file("1.csv", "a,b\n1,x\n"), folder.file("2.csv", "a\n2\n"),
      folder.file("3.csv", "a,b,c\n3,y,z\n"), folder.file("4.csv", ""),
      folder.file("5.csv", "a,a,b\n5,5,z\n")};
  const auto result = read_files(paths);
  CHECK(result.rows.size() == 1);
  REQUIRE(result.rejects.size() == 4);
  CHECK_THAT(result.rejects[0].reason,
             Contains("the whole file") && Contains("lacks the column \"b\""));
  CHECK(result.rejects[0].file == paths[1]);
  CHECK(result.rejects[0].line == 1);
  CHECK(result.rejects[0].raw == "a");
  CHECK_THAT(result.rejects[1].reason, Contains("a column \"c\" that the first file has not"));
  CHECK_THAT(result.rejects[2].reason, Contains("empty"));
  CHECK_THAT(result.rejects[3].reason, Contains("\"a\" twice"));
  const auto lenient = read_files(paths, "missing_columns: nulls, extra_columns: ignore");
  CHECK(lenient.rows ==
        Rows{{{"a", 1}, {"b", "x"}}, {{"a", 2}, {"b", nullptr}}, {{"a", 3}, {"b", "y"}}});
}

TEST_CASE("csv.read: columns choose by name with a header and give names without") {
  CHECK(read("a,b,c\n1,2,3\n", "columns: [c, a]").rows == Rows{{{"c", 3}, {"a", 1}}});
  CHECK(read("1,x\n2,y\n", "header: false, columns: [n, s]").rows ==
        Rows{{{"n", 1}, {"s", "x"}}, {{"n", 2}, {"s", "y"}}});
  CHECK(read("1,x\n", "header: false").rows == Rows{{{"c1", 1}, {"c2", "x"}}});
  CHECK(read("junk\n\na\n1\n", "skip: 2").rows == Rows{{{"a", 1}}});
  CHECK(read("a\t b\n1\t\"x\ty\"\n", "delimiter: tab").rows == Rows{{{"a", 1}, {" b", "x\ty"}}});
}

TEST_CASE("csv.read: goes on after each part in plain and compressed files") {
  const TempFolder folder;
  std::string text = "id,text,price\n";
  for (int i = 0; i < 6000; ++i) {
    text +=
        format("{},\"a {}\n b\",{}\n", i, std::string(static_cast<size_t>(i % 90), 'x'), i * 0.25);
    if (i % 1000 == 999) text += "bad row\n";
  }
  std::vector<std::string> paths;
  for (const std::string& data : {text, gzip(text), zstd(text)}) {
    paths.push_back(folder.file(format("{}.csv", paths.size()), data));
  }
  const auto result = read_files(paths);
  REQUIRE(result.rows.size() == 18000);
  CHECK(result.rejects.size() == 18);
  CHECK(result.rows[17999].at(2).second == Object(1499.75));
  CHECK(result.positions[17999].line == 12005);
  CHECK(text.substr(static_cast<size_t>(result.positions[17999].byte), 5) == "5999,");
}

TEST_CASE("csv.read: paths of another stage need the columns named") {
  const TempFolder folder;
  const std::string path = folder.file("a.csv", "a,b\n1,x\n");
  StageTester tester(stage_entry<CsvRead>(), "csv.read: { columns: [b, a], types: { a: int } }",
                     {{"path", Type::kString}});
  CHECK(tester.run(rows_of_paths({path})).rows == Rows{{{"b", "x"}, {"a", 1}}});
  CHECK_THROWS_WITH(
      StageTester(stage_entry<CsvRead>(), "csv.read: { header: true }", {{"path", Type::kString}})
          .output(),
      Contains("name them in `columns`"));
}

TEST_CASE("csv.read: what can't be read is an error before the run") {
  CHECK_THROWS_WITH(read(""), Contains("the file is empty: it has no header"));
  CHECK_THROWS_WITH(read("a,a\n"), Contains("\"a\" twice"));
  CHECK_THROWS_WITH(read("a,b\n", "columns: [c]"), Contains("the header has a, b"));
  CHECK_THROWS_WITH(read("a,b\n", "types: { c: int }"),
                    Contains("the columns are a:string, b:string"));
  CHECK_THROWS_WITH(read("a,b\n", "types: { a: object }"), Contains("can't be object"));
  CHECK_THROWS_WITH(read("a,b\n", "delimiter: ab"), Contains("must be one byte"));
  CHECK_THROWS_WITH(read("a,b\n", "skip: -1"), Contains("skip"));
  CHECK_THROWS_WITH(read("a,b\n", "header: 5"), Contains("header"));
  CHECK_THROWS_WITH(read("a,b\n", "extra_columns: keep"), Contains("extra_columns"));
}

TEST_CASE("csv.read: a quoted cell without end costs one line in a large file too") {
  const TempFolder folder;
  std::string text = "a,b\n1,\"x\n";
  const std::string line = "2," + std::string(1 << 16, 'y') + "\n";
  while (text.size() < (70 << 20)) text += line;
  InputFile file(folder.file("a.csv.zst", zstd(text)));
  TextWindow window(file);
  csv::Records records(window, ',');
  REQUIRE(records.next());
  records.pass();
  REQUIRE(records.next());
  CHECK_THAT(records.problem(), Contains("longer than 64 MiB"));
  CHECK(records.raw() == "1,\"x");
  records.pass();
  int64_t rows = 0;
  for (; records.next(); records.pass()) rows += records.problem() == nullptr;
  CHECK(rows == static_cast<int64_t>(text.size() / line.size()));
}

TEST_CASE("csv.read: a code that comes late does not lose its zeros") {
  const TempFolder folder;
  const std::vector<std::string> paths = {
      folder.file("a.csv", "zip,f\n10115,1\n"),
      folder.file("b.csv", "zip,f\n01067,1\n0,0.5\n-0,1\n1,007\n")};
  const auto guessed = read_files(paths, "types: { f: float }");
  CHECK(guessed.rows.size() == 3);  // f is as asked for, zeros and all
  REQUIRE(guessed.rejects.size() == 2);
  CHECK_THAT(guessed.rejects[0].reason,
             Contains("zip: \"01067\" would lose its zeros as int") && Contains("zip: string"));
  CHECK(read_files(paths, "types: { zip: int, f: float }").rejects.empty());
  CHECK(read_files(paths, "types: { zip: string, f: float }").rejects.empty());
}

TEST_CASE("csv.read: records that never end cost no scan each") {
  const TempFolder folder;
  // Each line opens a quote that the next one closes, but for the last: all are bad, and each is
  // known so only at the file's end.
  const auto problems_of = [&folder](std::string_view end, int64_t lines) {
    std::string text = "a,b\n";
    for (int64_t i = 0; i < lines; ++i) text += "x\",\"\n";
    text += end;
    InputFile file(folder.file("a.csv", text));
    TextWindow window(file);
    csv::Records records(window, ',');
    std::vector<std::string> problems;
    REQUIRE(records.next());
    for (records.pass(); records.next(); records.pass()) {
      problems.emplace_back(records.problem() ? records.problem() : "");
    }
    return problems;
  };
  // Quadratic, these 4 MiB would take hours.
  const std::vector<std::string> open = problems_of("", 800'000);
  REQUIRE(open.size() == 800'000);
  CHECK(std::ranges::count(open, "a quoted cell is never closed") == 800'000);
  const std::vector<std::string> followed = problems_of("x\"y\n1,2\n", 800'000);
  REQUIRE(followed.size() == 800'002);
  CHECK(std::ranges::count(followed, "text follows the closing quote of a cell") == 800'000);
  CHECK(followed.back().empty());
}

TEST_CASE("csv.read: what is known of a bad record changes no later one") {
  // Against readers that know nothing: each record read alone, from its first byte.
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    const TempFolder folder;
    std::string text;
    for (int i = 0; i < 40; ++i) text += "\"\"\"\n\n,,ab"[random() % 9];
    const std::string path = folder.file("a.csv", text);
    InputFile file(path);
    TextWindow window(file);
    csv::Records records(window, ',');
    CAPTURE(text);
    for (; records.next(); records.pass()) {
      InputFile same(path);
      TextWindow fresh(same);
      fresh.seek(window.byte());
      csv::Records alone(fresh, ',');
      REQUIRE(alone.next());
      CAPTURE(window.byte());
      REQUIRE(std::string(records.problem() ? records.problem() : "") ==
              std::string(alone.problem() ? alone.problem() : ""));
      REQUIRE(records.raw() == alone.raw());
      REQUIRE(records.lines() == alone.lines());
    }
  }
}

TEST_CASE("csv.read: lines that end in CR alone are an error and a later file's a reject") {
  for (const char* text :
       {"a,b\r1,2\r3,4\r", "a,b\r1,2", "a\r1\r2\r", "\"a\",\"b\"\r\"1\",\"2\"\r", "a,b\r1,2\r\n"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(read(text), Contains("end in CR alone") && Contains("tr '\\r' '\\n'"));
  }
  CHECK_THROWS_WITH(read("1,2\r3,4\r", "header: false"), Contains("end in CR alone"));
  CHECK(read("a,b\r\r\n1,2\r\n", "columns: [a]").rows.size() == 1);
  CHECK(read("a,\"b\rc\"\n1,2\n").rows.size() == 1);
  CHECK(read("1,a\rb\n", "header: false").rows.size() == 1);
  const TempFolder folder;
  const std::string good = folder.file("a.csv", "a,b\n1,2\n");
  const std::string bad = folder.file("b.csv", "a,b\r1,2\r");
  for (const char* header : {"header: true", "header: false"}) {
    const auto result = read_files({good, bad}, header);
    REQUIRE(result.rejects.size() == 1);
    CHECK(result.rejects[0].file == bad);
    CHECK_THAT(result.rejects[0].reason,
               Contains("the whole file is rejected: its lines end in CR alone"));
  }
}

TEST_CASE("csv.read: times finer than a microsecond are never cut") {
  const TempFolder folder;
  const auto column = [&folder](std::string_view time) {
    const std::string path = folder.file("t.csv", format("t\n{}\n", time));
    return show_schema(reader(stage_entry<CsvRead>(), "csv.read", path).output());
  };
  CHECK(column("2024-02-29T12:00:00.123456000Z") == "t:timestamp");
  CHECK(column("2024-02-29T12:00:00.1234567Z") == "t:string");
  const auto late = read_files({folder.file("a.csv", "t\n2024-02-29T12:00:00Z\n"),
                                folder.file("b.csv", "t\n2024-02-29T12:00:00.1234567Z\n")});
  CHECK(late.rows.size() == 1);
  REQUIRE(late.rejects.size() == 1);
  CHECK(late.rejects[0].reason ==
        "t: \"2024-02-29T12:00:00.1234567Z\" is finer than a microsecond, which no timestamp is; a "
        "string keeps it");
}

TEST_CASE("csv.read: columns are those of the first file that is not empty") {
  const TempFolder folder;
  const std::string empty = folder.file("a.csv", "");
  const std::string packed = folder.file("b.csv", gzip(""));
  const std::string full = folder.file("c.csv", "n,s\n1,x\n");
  StageTester tester(stage_entry<CsvRead>(),
                     format("csv.read: [\"{}\", \"{}\", \"{}\"]", empty, packed, full),
                     {{"path", Type::kString}});
  CHECK(show_schema(tester.output()) == "n:int, s:string");
  const auto result = tester.run(rows_of_paths({empty, packed, full}));
  CHECK(result.rows.size() == 1);
  REQUIRE(result.rejects.size() == 2);
  CHECK(result.rejects[0].reason == "the file is empty: it has no header");
  CHECK_THROWS_WITH(
      StageTester(stage_entry<CsvRead>(), format("csv.read: [\"{}\", \"{}\"]", empty, packed),
                  {{"path", Type::kString}})
          .output(),
      Contains("this file and all that follow it are empty"));
}
