#include "stages/text/stanzas.h"

#include <catch2/catch.hpp>

#include "input/compress.h"
#include "stages/read_file.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {
StageTester::Result read(const std::string& path, std::string_view options) {
  return reader(stage_entry<Stanzas>(), "text.stanzas", path, options).run(rows_of_paths({path}));
}
}  // namespace

TEST_CASE("text.stanzas: a row is a block of keys and values") {
  const TempFolder folder;
  const std::string path =
      folder.file("status",
                  "\n\nPackage: a\nInstalled-Size:  12 \nConffiles:\n /etc/a 1\n /etc/b 2\n"
                  "Description: short\n long one\n .\n  more\n"
                  "\n \t\npackage: b\r\nOther: x\r\n continued\r\n\r\n# remark\n\nPackage:c");
  const auto result =
      read(path,
           "columns: { Package: name, Installed-Size: size, Conffiles: files, Description: text }, "
           "types: { size: int }");
  CHECK(result.rejects.empty());
  REQUIRE(result.rows.size() == 3);
  CHECK(result.rows[0] == StageTester::TestRow{{"name", "a"},
                                               {"size", 12},
                                               {"files", "\n/etc/a 1\n/etc/b 2"},
                                               {"text", "short\nlong one\n.\n more"}});
  CHECK(result.rows[1] ==
        StageTester::TestRow{
            {"name", "b"}, {"size", nullptr}, {"files", nullptr}, {"text", nullptr}});
  CHECK(result.rows[2].at(0).second == Object("c"));
  CHECK(result.positions.at(0).line == 3);
  CHECK(result.positions.at(0).byte == 2);
  CHECK(result.positions.at(1).line == 14);
  CHECK(result.positions.at(2).line == 20);
}

TEST_CASE("text.stanzas: a list of columns keeps the keys as names") {
  const TempFolder folder;
  const auto result = read(folder.file("a",
                                       "\xef\xbb\xbf"
                                       "A-B: 1\n"),
                           "columns: [A-B]");
  CHECK(result.rows == StageTester::Rows{{{"A-B", "1"}}});
}

TEST_CASE("text.stanzas: what is no stanza is rejected with its place and text") {
  const TempFolder folder;
  const std::string path = folder.file(
      "a", "A: 1\n\nA: 2\ngarbage\nB: 3\n\n goes on\n\nA: x\n\nA: 4\nB: 5\na: 6\n\n: 7\n\nA: 8\n");
  const auto result = read(path, "columns: [A, B], types: { A: int }");
  CHECK(result.rows.size() == 2);
  REQUIRE(result.rejects.size() == 5);
  CHECK(result.rejects[0] ==
        StageTester::RejectRow{path, 3, 6, "line 4: it has no colon", "A: 2\ngarbage\nB: 3\n"});
  CHECK_THAT(result.rejects[1].reason, Contains("line 7: it goes on"));
  CHECK(result.rejects[2].reason == "A: \"x\" is not an int");
  CHECK_THAT(result.rejects[3].reason, Contains("line 13: the key a came before"));
  CHECK_THAT(result.rejects[4].reason, Contains("no key"));
}

TEST_CASE("text.stanzas: goes on after each part in plain and compressed files") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += "N: " + std::to_string(i) + "\nX:\n " + std::string(i % 300, 'x') + "\n\n";
  for (const std::string& data : {text, gzip(text)}) {
    const auto result = read(folder.file("a", data), "columns: [N, X], types: { N: int }");
    REQUIRE(result.rows.size() == 2000);
    CHECK(result.rows[1999].at(0).second == Object(1999));
  }
}

TEST_CASE("text.stanzas: wrong columns are errors") {
  const TempFolder folder;
  const std::string path = folder.file("a", "");
  CHECK_THROWS_WITH(read(path, "types: { a: int }"), Contains("columns"));
  CHECK_THROWS_WITH(read(path, "columns: 3"), Contains("columns must be"));
  CHECK_THROWS_WITH(read(path, "columns: [A, a]"), Contains("twice"));
  CHECK_THROWS_WITH(read(path, "columns: [A], types: { B: int }"), Contains("the columns are A"));
  CHECK_THROWS_WITH(read(path, "columns: [A], types: { A: object }"), Contains("can't be object"));
}
