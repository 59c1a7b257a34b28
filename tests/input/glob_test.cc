#include "towpath/input/glob.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "input/temp_folder.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {

class Tree : public TempFolder {
 public:
  Tree() {
    for (const char* name :
         {"a.csv", "b.csv", "B.csv", ".hidden.csv", "c.txt", "x/a.csv", "x/y/z/a.csv",
          "x/.git/a.csv", "x/y/b.csv", "odd[1].csv", "\xc3\xa4.csv"}) {
      file(name, name);
    }
    std::filesystem::create_directory(*this / "folder.csv");
    std::filesystem::create_symlink("a.csv", *this / "link.csv");
    std::filesystem::create_symlink("nowhere", *this / "broken.csv");
    std::filesystem::create_directory_symlink("..", *this / "x/up");
  }
  // Paths below the folder, joined by spaces.
  std::string find(std::vector<std::string> patterns) const {
    for (std::string& pattern : patterns) pattern = *this / pattern;
    std::string found;
    for (const FoundFile& file : find_files(patterns)) {
      found += (found.empty() ? "" : " ") + file.path.substr(path().size() + 1);
    }
    return found;
  }
};

}  // namespace

TEST_CASE("find_files: names regular files sorted bytewise and no hidden ones") {
  const Tree tree;
  CHECK(tree.find({"*.csv"}) == "B.csv a.csv b.csv link.csv odd[1].csv \xc3\xa4.csv");
  CHECK(tree.find({"?.csv"}) == "B.csv a.csv b.csv");
  CHECK(tree.find({"[ab].csv"}) == "a.csv b.csv");
  CHECK(tree.find({".*.csv"}) == ".hidden.csv");
  CHECK(tree.find({"*/a.csv"}) == "x/a.csv");
  CHECK(tree.find({"x/up/a.csv"}) == "x/up/a.csv");
}

TEST_CASE("find_files: two stars stand for any number of folders but no links and no hidden ones") {
  const Tree tree;
  CHECK(tree.find({"**/a.csv"}) == "a.csv x/a.csv x/y/z/a.csv");
  CHECK(tree.find({"x/**/*.csv"}) == "x/a.csv x/y/b.csv x/y/z/a.csv");
  CHECK(tree.find({"x/**"}) == "x/a.csv x/y/b.csv x/y/z/a.csv");
}

TEST_CASE("find_files: a file that two patterns name comes once") {
  const Tree tree;
  CHECK(tree.find({"b.csv", "[ab].csv", "a.csv"}) == "a.csv b.csv");
}

TEST_CASE("find_files: a path that exists is itself though it looks like a pattern") {
  const Tree tree;
  CHECK(tree.find({"odd[1].csv"}) == "odd[1].csv");
}

TEST_CASE("find_files: tells the size") {
  const TempFolder folder;
  folder.file("a", "12345");
  CHECK(find_files({folder / "a"}).at(0).size == 5);
}

TEST_CASE("find_files: patterns that find nothing are named") {
  const Tree tree;
  CHECK_THROWS_WITH(
      tree.find({"*.csv", "*.zip", "none"}),
      Contains("no file matches") && Contains("*.zip") && Contains("none") && !Contains("*.csv"));
  CHECK_THROWS_WITH(tree.find({"folder.csv"}), Contains("no file matches"));
  CHECK_THROWS_WITH(tree.find({"nowhere/*.csv"}), Contains("no file matches"));
}

TEST_CASE("find_files: a folder that can't be listed is an error that names it") {
  if (::geteuid() == 0) return;  // root lists everything
  const Tree tree;
  std::filesystem::permissions(tree / "x/y", std::filesystem::perms::none);
  CHECK_THROWS_WITH(tree.find({"**/*.csv"}), Contains("x/y"));
  std::filesystem::permissions(tree / "x/y", std::filesystem::perms::owner_all);
}
