#include "stages/core/print.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "stages/core/discard.h"
#include "towpath/base/unique_fd.h"
#include "towpath/stage/stage_tester.h"

namespace towpath::core {
namespace {

const Schema kInput = {{"name", Type::kString}, {"qty", Type::kInt}, {"price", Type::kFloat}};

// What the sink writes to standard output.
std::string printed(const char* yaml, const StageTester::Rows& rows, uint64_t batch_rows) {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stdout);
  const UniqueFd old(::dup(STDOUT_FILENO));
  ::dup2(::fileno(file), STDOUT_FILENO);
  StageTester(stage_entry<Print>(), yaml, kInput).write(rows, batch_rows);
  ::dup2(old.get(), STDOUT_FILENO);
  std::string text(static_cast<size_t>(::lseek(::fileno(file), 0, SEEK_END)), '\0');
  REQUIRE(::pread(::fileno(file), text.data(), text.size(), 0) ==
          static_cast<ssize_t>(text.size()));
  std::fclose(file);
  return text;
}

const StageTester::Rows kRows = {{{"name", "Zoë"}, {"qty", 5}, {"price", 0.5}},
                                 {{"name", "a\tb\n"}, {"qty", -12345}, {"price", nullptr}},
                                 {{"name", nullptr}, {"qty", 0}, {"price", 100.0}}};

TEST_CASE("Print: a table is aligned whatever the batches") {
  const std::string expected =
      "name       qty  price\n"
      "Zoë          5    0.5\n"
      "a\\tb\\n  -12345       \n"
      "             0    100\n";
  for (const uint64_t size : {1, 2, 4096}) REQUIRE(printed("print: {}", kRows, size) == expected);
}

TEST_CASE("Print: a table without rows shows its header") {
  REQUIRE(printed("print: {}", {}, 1) == "name  qty  price\n");
}

TEST_CASE("Print: a long table shows every row once") {
  StageTester::Rows rows;
  std::string expected = "name  qty  price\n";
  for (int i = 0; i < 1000; ++i) {
    rows.push_back({{"name", "n"}, {"qty", 100 + i % 900}, {"price", 12.25}});
    expected += "n     " + std::to_string(100 + i % 900) + "  12.25\n";
  }
  for (const uint64_t size : {7, 4096}) REQUIRE(printed("print: table", rows, size) == expected);
}

TEST_CASE("Print: tab-separated values escape what would break a line") {
  REQUIRE(printed("print: tsv", kRows, 4096) ==
          "name\tqty\tprice\nZoë\t5\t0.5\na\\tb\\n\t-12345\t\n\t0\t100\n");
}

TEST_CASE("Print: one JSON object a row") {
  REQUIRE(printed("print: { format: json }", kRows, 1) ==
          "{\"name\":\"Zoë\",\"qty\":5,\"price\":0.5}\n"
          "{\"name\":\"a\\tb\\n\",\"qty\":-12345,\"price\":null}\n"
          "{\"name\":null,\"qty\":0,\"price\":100}\n");
}

TEST_CASE("Print: a format that does not exist is refused") {
  REQUIRE_THROWS_AS(StageTester(stage_entry<Print>(), "print: xml", kInput), Invalid);
}

TEST_CASE("Discard: takes rows of any kind") {
  StageTester tester(stage_entry<Discard>(), "discard: {}", kInput);
  REQUIRE(tester.write(kRows).rejects.empty());
}

}  // namespace
}  // namespace towpath::core
