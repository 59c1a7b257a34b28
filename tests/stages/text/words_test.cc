#include "stages/text/words.h"

#include <catch2/catch.hpp>
#include <random>

#include "towpath/base/error.h"
#include "towpath/stage/stage_tester.h"

using namespace towpath;

namespace {
std::string words(std::string_view yaml, const std::vector<std::string>& lines) {
  StageTester::Rows rows;
  for (const std::string& line : lines) rows.push_back({{"line", line}});
  std::string joined;
  for (const auto& row :
       StageTester(stage_entry<Words>(), yaml, {{"line", Type::kString}}).run(rows).rows) {
    joined += (joined.empty() ? "" : "|") + row.at(0).second.as_string();
  }
  return joined;
}
}  // namespace

TEST_CASE("text.words: a word is a run of bytes that are not ASCII white space") {
  CHECK(words("text.words:", {"one  two\tthree", "", "   ", " four\v\f\r\nfive "}) ==
        "one|two|three|four|five");
  CHECK(words("text.words:", {"na\xc3\xafve\xc2\xa0word \xff"}) == "na\xc3\xafve\xc2\xa0word|\xff");
  CHECK(words("text.words:", {"It's (it)."}) == "It's|(it).");
}

TEST_CASE("text.words: finds the words of long lines wherever they begin and end") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string line, expected;
    for (auto count = random() % 40; count > 0; --count) {
      line.append(1 + (random() % 3 == 0 ? random() % 130 : 0), " \t\n\v\f\r"[random() % 6]);
      const std::string word(1 + (random() % 4 == 0 ? random() % 140 : random() % 9),
                             "aZ\x01\xff\x0e\x08!"[random() % 7]);
      line += word;
      expected += (expected.empty() ? "" : "|") + word;
    }
    if (random() % 2 == 0) line += ' ';
    REQUIRE(words("text.words:", {line}) == expected);
  }
}

TEST_CASE("text.words: lower touches A to Z only") {
  CHECK(words("text.words: { lower: true }", {"AbZ@[ \xc3\x84x"}) == "abz@[|\xc3\x84x");
}

TEST_CASE("text.words: strip takes punctuation off the ends") {
  CHECK(words("text.words: { strip: punctuation }", {"It's (it). -- \"a-b\""}) == "It's|it|a-b");
}

TEST_CASE("text.words: reads the column asked for and keeps the place of the line") {
  StageTester tester(stage_entry<Words>(), "text.words: body", {{"body", Type::kString}});
  const auto result = tester.run({{{"body", "a"}}, {{"body", nullptr}}, {{"body", "b c"}}});
  CHECK(result.rows == StageTester::Rows{{{"word", "a"}}, {{"word", "b"}}, {{"word", "c"}}});
  CHECK(result.positions.at(2).line == 3);
}

TEST_CASE("text.words: wrong fields are errors") {
  CHECK_THROWS_AS(words("text.words: { lower: 3 }", {}), Invalid);
  CHECK_THROWS_AS(words("text.words: { strip: all }", {}), Invalid);
  CHECK_THROWS_AS(words("text.words: { column: lien }", {"a"}), Invalid);
}
