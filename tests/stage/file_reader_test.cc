#include "towpath/stage/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "input/temp_folder.h"
#include "towpath/base/error.h"
#include "towpath/stage/object_rows.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {

class Lines final : public FileReader {
  void read(FileText& file, Outputs& outputs) override {
    auto column = outputs.main().column<std::string_view>("line");
    while (const auto line = next_line(file.window())) {
      outputs.main().at(file.position(file.line(), line->byte));
      column.put(line->text);
      file.add_lines(1);
      file.between_records(outputs);
    }
  }
};

struct Died {};

// Keeps the rows, and lets the reader die after its first part.
class Kept final : public BatchConsumer {
 public:
  int64_t rows = 0;
  std::string cursor;
  void consume(int, BatchBuilder& batch) override { rows += batch.to_batch().rows(); }
  void part(std::string_view at) override {
    cursor = at;
    throw Died{};
  }
};

// A reader that died in the midst of a file, and its successor.
class Reading {
 public:
  const std::string path;
  explicit Reading(std::string file) : path(std::move(file)) {
    CHECK_THROWS_AS(run(""), Died);
    REQUIRE(kept_.rows == 3);
  }
  // After each part a successor of its own; the rows in all.
  int64_t go_on() {
    for (;;) {
      try {
        run(std::string(kept_.cursor));
        return kept_.rows;
      } catch (const Died&) {
      }
    }
  }

 private:
  void run(const std::string& cursor) {
    const Batch paths =
        batch_of_rows({{"path", Type::kString}}, std::vector<ObjectRow>{{{"path", path}}}, "in", 1);
    Outputs out("lines", {{"", {{"line", Type::kString}}}}, 3, kept_);
    const Batch leased = paths.leased(0, cursor, 0);
    out.begin(leased);
    Lines().process(leased, out);
    out.flush();
  }
  Kept kept_;
};

std::string lines(char letter, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::string(9, letter) + "\n";
  return text;
}

void append(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::app) << text;
}

void set_time(const std::string& path, int64_t seconds) {
  const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 0}, {.tv_sec = seconds, .tv_nsec = 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("FileReader: after a death it goes on in the same file and in one that grew") {
  const TempFolder folder;
  Reading same(folder.file("a", lines('a', 10)));
  CHECK(same.go_on() == 10);
  Reading grown(folder.file("b", lines('b', 10)));
  append(grown.path, lines('c', 5));
  set_time(grown.path, 1);
  CHECK(grown.go_on() == 15);
}

TEST_CASE("FileReader: after a death it does not go on in another file of the same name") {
  const TempFolder folder;
  for (const int count : {5, 10, 20}) {
    Reading reading(folder.file("a", lines('a', 10)));
    std::filesystem::rename(folder.file("b", lines('b', count)), reading.path);
    CHECK_THROWS_WITH(reading.go_on(), Contains(reading.path) &&
                                           Contains("it was replaced by another file") &&
                                           Contains("run again when nobody writes it"));
  }
}

TEST_CASE("FileReader: after a death it does not go on in a file written anew") {
  const TempFolder folder;
  Reading same_size(folder.file("a", lines('a', 10)));
  set_time(same_size.path, 1);
  CHECK_THROWS_WITH(same_size.go_on(), Contains("it was changed while it was read"));
  Reading smaller(folder.file("b", lines('b', 10)));
  std::filesystem::resize_file(smaller.path, 80);
  CHECK_THROWS_WITH(smaller.go_on(), Contains("it was changed while it was read"));
}
