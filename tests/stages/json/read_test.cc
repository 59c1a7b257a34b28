#include "stages/json/read.h"

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
  return reader(stage_entry<JsonlRead>(), "jsonl.read", paths.front(), options)
      .run(rows_of_paths(paths));
}
StageTester::Result read(std::string_view text, std::string_view options = "") {
  const TempFolder folder;
  return read_files({folder.file("a.jsonl", text)}, options);
}

}  // namespace

TEST_CASE("jsonl.read: a row is an object and its columns the union of the keys") {
  const TempFolder folder;
  const std::string path =
      folder.file("a.jsonl",
                  "\xef\xbb\xbf{\"i\":1,\"f\":1,\"s\":\"\\u00e4\\n\",\"b\":true}\r\n\n"
                  "{\"f\":0.5,\"o\":{\"x\":[1,null]},\"n\":null,\"m\":1}\n"
                  "{\"m\":\"x\",\"i\":null}");
  StageTester tester = reader(stage_entry<JsonlRead>(), "jsonl.read", path);
  CHECK(show_schema(tester.output()) ==
        "i:int, f:float, s:string, b:bool, o:object, n:string, m:object");
  const auto result = tester.run(rows_of_paths({path}));
  CHECK(result.rejects.empty());
  REQUIRE(result.rows.size() == 3);
  CHECK(result.rows[0] == StageTester::TestRow{{"i", 1},
                                               {"f", 1.0},
                                               {"s", "\xc3\xa4\n"},
                                               {"b", true},
                                               {"o", nullptr},
                                               {"n", nullptr},
                                               {"m", nullptr}});
  CHECK(result.rows[1].at(4).second == Object(Object::Map{{"x", Object::Array{1, nullptr}}}));
  CHECK(result.rows[1].at(6).second == Object(1));
  CHECK(result.rows[2].at(6).second == Object("x"));
  CHECK(result.positions.at(1).line == 3);
  CHECK(result.positions.at(2).byte == static_cast<int64_t>(text_of(path).rfind('\n') + 1));
}

TEST_CASE("jsonl.read: lines that do not fit are rejected with place and text") {
  const TempFolder folder;
  const std::string path =
      folder.file("a.jsonl",
                  "{\"a\":1,\"b\":\"x\"}\n{\"a\":\n[1]\n{\"a\":\"2\"}\n{\"a\":1.5}\n"
                  "{\"a\":18446744073709551615}\n{\"c\":1}\n{\"b\":7}\n{\"b\":\"\xff\"}\n{}\n");
  const auto strict = reader(stage_entry<JsonlRead>(), "jsonl.read",
                             folder.file("first.jsonl", "{\"a\":1,\"b\":\"x\"}\n"))
                          .run(rows_of_paths({path}));
  CHECK(strict.rows == Rows{{{"a", 1}, {"b", "x"}}, {{"a", nullptr}, {"b", nullptr}}});
  REQUIRE(strict.rejects.size() == 8);
  CHECK(strict.rejects[0].file == path);
  CHECK(strict.rejects[0].line == 2);
  CHECK(strict.rejects[0].byte == 16);
  CHECK(strict.rejects[0].raw == "{\"a\":");
  CHECK_THAT(strict.rejects[0].reason, Contains("not JSON"));
  CHECK(strict.rejects[1].reason == "it is JSON, but not an object");
  CHECK(strict.rejects[2].reason == "a: \"2\" is not an int");
  CHECK(strict.rejects[3].reason == "a: 1.5 is not an int");
  CHECK(strict.rejects[4].reason == "a: 18446744073709551615 is not an int");
  CHECK_THAT(strict.rejects[5].reason, Contains("the key \"c\" is no column"));
  CHECK(strict.rejects[6].reason == "b: 7 is not a string");
  CHECK_THAT(strict.rejects[7].reason, Contains("not JSON"));
}

TEST_CASE("jsonl.read: an object with a key twice is rejected") {
  const auto result = read(
      "{\"a\":1,\"o\":{\"x\":1}}\n{\"a\":1,\"a\":2}\n{\"o\":{\"x\":1,\"y\":2,\"x\":1}}\n"
      "{\"o\":{},\"a\":3,\"o\":{}}\n{\"z\":1,\"z\":2,\"a\":4}\n",
      "columns: [a, o]");
  REQUIRE(result.rows.size() == 2);
  CHECK(result.rows[1].at(0).second == Object(4));  // keys that nobody reads may repeat
  REQUIRE(result.rejects.size() == 3);
  CHECK(result.rejects[0].reason == "the key \"a\" stands there twice");
  CHECK(result.rejects[1].reason == "o: an object has the key \"x\" twice");
  CHECK(result.rejects[2].reason == "the key \"o\" stands there twice");
}

TEST_CASE("jsonl.read: types given convert text and numbers") {
  const auto result = read(
      "{\"i\":\"12\",\"s\":[1,2],\"t\":\"2024-02-29T12:00:00Z\",\"d\":\"2024-02-29\",\"o\":1}\n{"
      "\"i\":\"x\"}\n",
      "types: { i: int, s: string, t: timestamp, d: date, o: object, later: float }");
  CHECK(result.rows == Rows{{{"i", 12},
                             {"s", "[1,2]"},
                             {"t", "2024-02-29T12:00:00Z"},
                             {"d", "2024-02-29"},
                             {"o", 1},
                             {"later", nullptr}}});
  REQUIRE(result.rejects.size() == 1);
  CHECK(result.rejects[0].reason == "i: \"x\" is not an int");
}

TEST_CASE("jsonl.read: columns choose keys and others are ignored") {
  CHECK(read("{\"a\":1,\"b\":2}\n{\"c\":[],\"b\":3}\n", "columns: [b]").rows ==
        Rows{{{"b", 2}}, {{"b", 3}}});
  CHECK(read("{\"a\":1}\n", "extra_keys: ignore").rows == Rows{{{"a", 1}}});
  CHECK_THROWS_WITH(read("[]\n"), Contains("name the columns"));
  CHECK_THROWS_WITH(read("{\"a\":1}\n", "columns: [a, a]"), Contains("twice"));
  CHECK_THROWS_WITH(read("{\"a\":1}\n", "types: { a: binary }"), Contains("can't be binary"));
  CHECK_THROWS_WITH(read("{\"a\":1}\n", "extra_keys: keep"), Contains("extra_keys"));
}

TEST_CASE("jsonl.read: values nested too deep are rejected") {
  const std::string deep = "{\"a\":" + std::string(300, '[') + std::string(300, ']') + "}\n";
  const auto result = read("{\"a\":[1]}\n" + deep + "{\"a\":2}\n");
  CHECK(result.rows.size() == 2);
  REQUIRE(result.rejects.size() == 1);
  CHECK_THAT(result.rejects[0].reason, Contains("nested deeper"));
}

TEST_CASE("jsonl.read: goes on after each part in plain and compressed files") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 4000; ++i)
    text += format("{{\"n\":{},\"s\":\"{}\"}}\n", i, std::string(static_cast<size_t>(i % 70), 'x'));
  const auto result = read_files(
      {folder.file("1", text), folder.file("2", gzip(text)), folder.file("3", zstd(text))});
  REQUIRE(result.rows.size() == 12000);
  CHECK(result.rows[11999].at(0).second == Object(3999));
}

TEST_CASE("jsonl.read: takes any bytes without a crash and the same in any batches") {
  const TempFolder folder;
  std::mt19937 random(3);
  constexpr std::string_view kBytes = "{{}}[],,::\"\"ab1.e-\\ntruefalsenull\n\n\x00\xff ";
  for (int round = 0; round < 200; ++round) {
    std::string text = "{\"a\":1,\"b\":[]}\n";
    for (auto size = random() % 300; size > 0; --size) {
      text += random() % 20 == 0 ? "{\"a\":" : std::string(1, kBytes[random() % kBytes.size()]);
    }
    CHECK_NOTHROW(read(text));
  }
}

TEST_CASE("jsonl.read: whole numbers are never rounded") {
  const auto large = read("{\"id\":1}\n{\"id\":18446744073709551615}\n");
  REQUIRE(large.rows.size() == 2);
  CHECK(large.rows[1].at(0).second == Object(uint64_t{18446744073709551615u}));
  const auto mixed = read("{\"x\":0.5}\n{\"x\":9007199254740992}\n{\"x\":9007199254740993}\n");
  CHECK(mixed.rows.size() == 2);
  REQUIRE(mixed.rejects.size() == 1);
  CHECK(mixed.rejects[0].reason == "x: 9007199254740993 is not a float");
}

TEST_CASE("jsonl.read: columns are those of the first file that is not empty") {
  const TempFolder folder;
  const std::string empty = folder.file("a.jsonl", "");
  const std::string blank = folder.file("b.jsonl", "\n \n");
  const std::string full = folder.file("c.jsonl", "{\"n\":1}\n");
  StageTester tester(stage_entry<JsonlRead>(),
                     format("jsonl.read: [\"{}\", \"{}\", \"{}\"]", empty, blank, full),
                     {{"path", Type::kString}});
  CHECK(show_schema(tester.output()) == "n:int");
  CHECK(tester.run(rows_of_paths({empty, blank, full})).rows == Rows{{{"n", 1}}});
  CHECK_THROWS_WITH(
      StageTester(stage_entry<JsonlRead>(), format("jsonl.read: [\"{}\", \"{}\"]", empty, blank),
                  {{"path", Type::kString}})
          .output(),
      Catch::Contains("no line in its first MiB is a JSON object"));
}

TEST_CASE("jsonl.read: a time finer than a microsecond does not become a timestamp") {
  const auto result =
      read("{\"t\":\"2024-02-29T12:00:00.5000000Z\"}\n{\"t\":\"2024-02-29T12:00:00.1234567Z\"}\n",
           "types: { t: timestamp }");
  CHECK(result.rows == Rows{{{"t", "2024-02-29T12:00:00.5Z"}}});
  REQUIRE(result.rejects.size() == 1);
  CHECK_THAT(result.rejects[0].reason,
             Catch::Contains("t: \"2024-02-29T12:00:00.1234567Z\" is finer than a microsecond"));
}
