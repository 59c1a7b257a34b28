#include "towpath/input/glob.h"

#include <sys/stat.h>
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
  CHECK_THROWS_WITH(tree.find({"folder.csv"}), Contains("is a folder"));
  CHECK_THROWS_WITH(tree.find({"nowhere/*.csv"}), Contains("no file matches"));
}

TEST_CASE("find_files: a folder that can't be listed is an error that names it") {
  if (::geteuid() == 0) return;  // root lists everything
  const Tree tree;
  std::filesystem::permissions(tree / "x/y", std::filesystem::perms::none);
  CHECK_THROWS_WITH(tree.find({"**/*.csv"}), Contains("x/y"));
  std::filesystem::permissions(tree / "x/y", std::filesystem::perms::owner_all);
}

TEST_CASE("find_files: a folder or a pipe or a NUL byte is named for what it is") {
  const Tree tree;
  REQUIRE(::mkfifo((tree / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(tree.find({"x"}), Contains("is a folder; write") && Contains("x/*"));
  CHECK_THROWS_WITH(tree.find({"pipe"}), Contains("is a pipe"));
  CHECK_THROWS_WITH(find_files({"/dev/null"}), Contains("is a device"));
  CHECK_THROWS_WITH(find_files({std::string("a\0b", 3)}), Contains("NUL byte"));
  if (::geteuid() != 0) {
    std::filesystem::permissions(tree / "a.csv", std::filesystem::perms::none);
    CHECK_THROWS_WITH(tree.find({"a.csv"}), Contains("can't be read"));
  }
}

TEST_CASE("would_find: knows a file by any name and before it is there") {
  const Tree tree;
  std::filesystem::create_directory_symlink("x", tree / "way");
  auto finds = [&](const std::string& pattern, const std::string& path) {
    return would_find(tree / pattern, tree / path);
  };
  CHECK(finds("a.csv", "x/../a.csv"));
  CHECK(finds("a.csv", "link.csv"));
  CHECK(finds("way/new.csv", "x/new.csv"));
  CHECK(finds("*.csv", "new.csv"));
  CHECK(finds("way/*.csv", "x/new.csv"));
  CHECK(finds("*/new.csv", "x/new.csv"));
  CHECK(finds("**/new.csv", "x/y/new.csv"));
  CHECK(finds("x/**", "x/y/new.csv"));
  CHECK(finds("l*.csv", "a.csv"));  // by a link that it finds
  CHECK_FALSE(finds("*.csv", "x/new.csv"));
  CHECK_FALSE(finds("*.csv", ".new.csv"));
  CHECK_FALSE(finds("x/**", "x/.git/new.csv"));
  CHECK_FALSE(finds("a.csv", "b.csv"));
}
