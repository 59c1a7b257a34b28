#include "towpath/input/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "input/temp_folder.h"
#include "towpath/base/error.h"

using namespace towpath;
using Catch::Matchers::Contains;

namespace {
void put(PartialFile& file, std::string_view text) {
  file.buffer() += text;
  file.written();
}
}  // namespace

TEST_CASE("PartialFile: has its name only when it is published") {
  const TempFolder folder;
  const std::string path = folder / "deep/er/out.csv";
  PartialFile file(path);
  file.open(0);
  put(file, "one\n");
  CHECK(file.sync() == 4);
  CHECK(!std::filesystem::exists(path));
  CHECK(text_of(path + ".towpath.partial") == "one\n");
  put(file, "two\n");
  file.publish();
  file.publish();
  file.discard();
  CHECK(text_of(path) == "one\ntwo\n");
  CHECK(!std::filesystem::exists(path + ".towpath.partial"));
}

TEST_CASE("PartialFile: opens at a recorded position and cuts what is behind") {
  const TempFolder folder;
  const std::string path = folder / "out";
  {
    PartialFile file(path);
    file.open(0);
    put(file, "kept");
    CHECK(file.sync() == 4);
    put(file, std::string(1 << 20, 'x'));
  }
  PartialFile file(path);
  file.open(4);
  put(file, " and more");
  file.publish();
  CHECK(text_of(path) == "kept and more");
  PartialFile again(path);
  again.open(13);
  again.publish();
  CHECK(text_of(path) == "kept and more");
  PartialFile short_one(folder / "other");
  CHECK_THROWS_WITH(short_one.open(9), Contains("fewer than the 9"));
}

TEST_CASE("PartialFile: replaces an older file only at the end") {
  const TempFolder folder;
  const std::string path = folder.file("out", "old");
  PartialFile file(path);
  file.open(0);
  put(file, "new");
  file.sync();
  CHECK(text_of(path) == "old");
  file.discard();
  file.discard();
  CHECK(text_of(path) == "old");
  CHECK(!std::filesystem::exists(path + ".towpath.partial"));
}

TEST_CASE("PartialFile: a second writer and a path that is no file are refused") {
  const TempFolder folder;
  PartialFile first(folder / "out");
  first.open(0);
  PartialFile second(folder / "out");
  CHECK_THROWS_WITH(second.open(0), Contains("being written by another process"));
  second.discard();
  CHECK(std::filesystem::exists(folder / "out.towpath.partial"));
  PartialFile taken(folder.path());
  CHECK_THROWS_WITH(taken.open(0), Contains("not a regular file"));
  PartialFile below(folder / "out.towpath.partial/x");
  CHECK_THROWS_AS(below.open(0), SystemError);
}

TEST_CASE("PartialFile: a link that has its partial name is not followed") {
  const TempFolder folder;
  folder.file("precious", "precious");
  std::filesystem::create_symlink("precious", folder / "out.towpath.partial");
  PartialFile file(folder / "out");
  CHECK_THROWS_WITH(file.open(0), Contains("is a symbolic link"));
  CHECK(text_of(folder / "precious") == "precious");
}

TEST_CASE("PartialFile: what has its partial name and is no file is not removed") {
  const TempFolder folder;
  const std::string pipe = folder / "out.towpath.partial";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const UniqueFd reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  REQUIRE(reader);
  PartialFile file(folder / "out");
  CHECK_THROWS_WITH(file.open(0), Contains("not a regular file"));
  file.discard();
  CHECK(std::filesystem::exists(pipe));
}

TEST_CASE("PartialFile: can be opened again by who has it open") {
  const TempFolder folder;
  PartialFile file(folder / "out");
  file.open(0);
  put(file, "one");
  CHECK(file.sync() == 3);
  file.open(3);
  put(file, " two");
  file.publish();
  CHECK(text_of(folder / "out") == "one two");
}

TEST_CASE("PartialFile: the mode of the file that it replaces stays") {
  namespace fs = std::filesystem;
  const TempFolder folder;
  folder.file("out", "old");
  fs::permissions(folder / "out", fs::perms::owner_read | fs::perms::owner_write);
  PartialFile file(folder / "out");
  file.open(0);
  put(file, "new");
  file.publish();
  CHECK(text_of(folder / "out") == "new");
  CHECK(fs::status(folder / "out").permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("PartialFile: of a link the file it leads to is written and the link stays") {
  const TempFolder folder;
  folder.file("data/old.csv", "old");
  std::filesystem::create_symlink("data/old.csv", folder / "link.csv");
  std::filesystem::create_symlink("data/new.csv", folder / "ahead.csv");
  for (const char* name : {"link.csv", "ahead.csv"}) {
    PartialFile file(folder / name);
    file.open(0);
    put(file, name);
    file.publish();
    CHECK(std::filesystem::is_symlink(folder / name));
  }
  CHECK(text_of(folder / "data/old.csv") == "link.csv");
  CHECK(text_of(folder / "data/new.csv") == "ahead.csv");
}

TEST_CASE("PartialFile: what goes on at its beginning is the same file still") {
  const TempFolder folder;
  PartialFile file(folder / "out.csv");
  file.open(0);
  REQUIRE(file.sync() == 0);
  const std::string mark = file.mark();
  for (int i = 0; i < 3; ++i) {
    file.buffer() = "behind the position";
    file.sync();
    file.open(0, mark);
    CHECK(file.mark() == mark);
  }
  file.open(0);  // another run begins it
  file.buffer() = "its own";
  file.sync();
  CHECK_THROWS_WITH(file.open(0, mark + "0"), Contains("is of another run"));
}

TEST_CASE("PartialFile: an empty one that is published is left so") {
  const TempFolder folder;
  const std::string path = folder / "out.csv";
  std::string mark;
  {
    PartialFile file(path);
    file.open(0);
    mark = file.mark();
    file.publish();
  }
  PartialFile again(path);
  again.open(0, mark);
  again.publish();
  CHECK(std::filesystem::file_size(path) == 0);
  CHECK_FALSE(std::filesystem::exists(again.partial_path()));
}
