#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "input/temp_folder.h"
#include "stages/csv/read.h"
#include "stages/read_file.h"
#include "towpath/message/json.h"

// csv.read beside Python's csv module, on random files and on the IEEE's.

using namespace towpath;

namespace {

void run_reference(const std::string& arguments) {
  const std::string command = "/usr/bin/python3 tests/stages/csv/reference.py " + arguments;
  REQUIRE(std::system(command.c_str()) == 0);
}

// Reads all cells as text, and compares: '' stands for null too, as Python knows no difference.
void compare(const std::string& csv_path, const std::string& json_path) {
  CAPTURE(csv_path);
  const Object expected = from_json(text_of(json_path));
  const Object::Array& rows = expected.find("rows")->as_array();
  REQUIRE(!rows.empty());
  std::string types;
  for (size_t i = 1; i <= rows.front().as_array().size(); ++i) {
    types += format("{}c{}: string", i == 1 ? "" : ", ", i);
  }
  const auto result = reader(stage_entry<CsvRead>(), "csv.read", csv_path,
                             format("header: false, types: {{ {} }}", types))
                          .run(rows_of_paths({csv_path}));
  REQUIRE(result.rows.size() == rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t i = 0; i < result.rows[row].size(); ++i) {
      const Object& cell = result.rows[row][i].second;
      CAPTURE(row, i);
      REQUIRE((cell.is_nil() ? "" : cell.as_string()) == rows[row].as_array().at(i).as_string());
    }
  }
  CHECK(static_cast<int64_t>(result.rejects.size()) == expected.find("ragged")->as_int());
}

}  // namespace

TEST_CASE("csv.read: finds in random files what Python's csv module finds") {
  const TempFolder folder;
  for (const int seed : {1, 2, 3}) {
    run_reference(format("random {} {}", seed, folder.path()));
    for (int i = 0; i < 60; ++i) {
      compare(folder / format("case-{}.csv", i), folder / format("case-{}.json", i));
    }
  }
}

TEST_CASE("csv.read: finds in the IEEE's registries what Python's csv module finds") {
  const TempFolder folder;
  for (const char* name : {"oui.csv", "mam.csv", "iab.csv"}) {
    const std::string path = std::string("/usr/share/ieee-data/") + name;
    if (!std::filesystem::exists(path)) return;  // the package ieee-data is not installed
    run_reference("parse " + path + " " + (folder / "expected.json"));
    compare(path, folder / "expected.json");
  }
}

TEST_CASE("csv.read: takes any bytes without a crash and the same in any batches") {
  const TempFolder folder;
  std::mt19937 random(5);
  constexpr std::string_view kBytes = "aab,,\"\"\"\n\n\r \x00\xff";
  for (int round = 0; round < 200; ++round) {
    std::string text = "h1,h2\n";
    for (auto size = random() % 400; size > 0; --size) text += kBytes[random() % kBytes.size()];
    const std::string path = folder.file("a.csv", text);
    CAPTURE(text);
    const auto result = reader(stage_entry<CsvRead>(), "csv.read", path).run(rows_of_paths({path}));
    for (const auto& reject : result.rejects) {
      REQUIRE(reject.byte < static_cast<int64_t>(text.size()));
      REQUIRE(text.compare(static_cast<size_t>(reject.byte), reject.raw.size(), reject.raw) == 0);
      const auto end = text.begin() + static_cast<std::ptrdiff_t>(reject.byte);
      REQUIRE(reject.line == 1 + std::count(text.begin(), end, '\n'));
    }
  }
}
