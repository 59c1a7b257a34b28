#include "towpath/input/output_path.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "input/temp_folder.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

TEST_CASE("real_path: one file has one name, there or not") {
  const TempFolder folder;
  folder.file("x/a.csv", "");
  std::filesystem::create_directory_symlink("x", folder / "way");
  std::filesystem::create_symlink("x/new.csv", folder / "ahead");
  const std::string real = std::filesystem::canonical(folder.path()).string();
  CHECK(real_path(folder / "way/../x/a.csv") == real + "/x/a.csv");
  CHECK(real_path(folder / "way/a.csv") == real + "/x/a.csv");
  CHECK(real_path(folder / "./way/none/b.csv") == real + "/x/none/b.csv");
  CHECK(real_path(folder / "ahead") == real + "/x/new.csv");
  CHECK(real_path("a") == (std::filesystem::current_path() / "a").string());
}

TEST_CASE("follow_links: a circle of links is Invalid") {
  const TempFolder folder;
  std::filesystem::create_symlink("b", folder / "a");
  std::filesystem::create_symlink("a", folder / "b");
  CHECK_THROWS_WITH(follow_links(folder / "a"), Contains("circle"));
  CHECK_THROWS_AS(follow_links(std::string("a\0b", 3)), Invalid);
}

TEST_CASE("check_output_path: says why a file can't be written") {
  const TempFolder folder;
  folder.file("x/a.csv", "");
  check_output_path(folder / "x/a.csv");
  check_output_path(folder / "new/folders/b.csv");
  check_output_path("b.csv");
  CHECK_THROWS_WITH(check_output_path(folder / "x"), Contains("is a folder"));
  CHECK_THROWS_WITH(check_output_path(folder / "new/"), Contains("names no file"));
  CHECK_THROWS_WITH(check_output_path(folder / "x/a.csv/b.csv"), Contains("is not a folder"));
  CHECK_THROWS_WITH(check_output_path("/dev/null"), Contains("not a regular file"));
}
