#include "stages/text/read.h"

#include <catch2/catch.hpp>

#include "input/compress.h"
#include "stages/read_file.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {
StageTester::Result read(const std::vector<std::string>& paths) {
  return reader(stage_entry<TextRead>(), "text.read", paths.front()).run(rows_of_paths(paths));
}
}  // namespace

TEST_CASE("text.read: a row is a line with its place") {
  const TempFolder folder;
  const std::string path = folder.file("a.txt", "one\r\ntwo\n\nlast");
  const auto result = read({path});
  CHECK(
      result.rows ==
      StageTester::Rows{{{"line", "one"}}, {{"line", "two"}}, {{"line", ""}}, {{"line", "last"}}});
  REQUIRE(result.positions.size() == 4);
  CHECK(result.positions[3].file == path);
  CHECK(result.positions[3].line == 4);
  CHECK(result.positions[3].byte == 10);
}

TEST_CASE("text.read: keeps any bytes") {
  const TempFolder folder;
  const std::string bytes("\xff\0 \r x", 6);
  CHECK(read({folder.file("a", bytes + "\n")}).rows == StageTester::Rows{{{"line", bytes}}});
}

TEST_CASE("text.read: reads file after file and goes on after each part whatever the compression") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "line " + std::to_string(i * i) + "\n";
  const auto result = read({folder.file("a", text), folder.file("empty", ""),
                            folder.file("b.gz", gzip(text)), folder.file("c.zst", zstd(text))});
  REQUIRE(result.rows.size() == 9000);
  CHECK(result.rows[3001] == StageTester::TestRow{{"line", "line 1"}});
  CHECK(result.positions[8999].line == 3000);
  CHECK(result.positions[8999].byte ==
        static_cast<int64_t>(text.size() - std::string("line 8994001\n").size()));
}

TEST_CASE("text.read: a missing or damaged file stops and is named") {
  const TempFolder folder;
  const std::string damaged = folder.file("bad.gz", gzip("text").substr(0, 12));
  CHECK_THROWS_WITH(read({damaged}), Contains("bad.gz: byte 12"));
  CHECK_THROWS_WITH(read({folder / "none"}), Contains("none"));
}

TEST_CASE("text.read: a file with fewer bytes than were listed stops and is named") {
  const TempFolder folder;
  const std::string path = folder.file("a.txt", "one\ntwo\n");
  StageTester tester(stage_entry<TextRead>(), "text.read: {}",
                     {{"path", Type::kString}, {"size", Type::kInt}});
  CHECK(tester.run({{{"path", path}, {"size", 8}}}).rows.size() == 2);
  CHECK(tester.run({{{"path", path}, {"size", 4}}}).rows.size() == 2);  // it has grown
  CHECK_THROWS_WITH(tester.run({{{"path", path}, {"size", 9}}}),
                    Contains("a.txt: 8 bytes were read, and the file had 9"));
}
