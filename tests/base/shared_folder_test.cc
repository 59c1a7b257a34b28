#include "towpath/base/shared_folder.h"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "towpath/base/error.h"

using namespace towpath;
namespace fs = std::filesystem;

namespace {

struct Parent {
  Parent() {
    char name[] = "/tmp/towpath-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw_errno("mkdtemp");
    path = name;
  }
  ~Parent() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string path;
};

}  // namespace

TEST_CASE("SharedFolder: stays while somebody uses it") {
  const Parent parent;
  const std::string path = parent.path + "/s1";
  {
    const SharedFolder first = SharedFolder::enter(path);
    CHECK(first.made());
    CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms::owner_all);
    std::ofstream(path + "/file") << "x";
    {
      const SharedFolder second = SharedFolder::enter(path);
      CHECK_FALSE(second.made());
      CHECK_FALSE(SharedFolder::remove_if_unused(path));
    }
    CHECK_FALSE(SharedFolder::remove_if_unused(path));
    CHECK(fs::exists(path + "/file"));
  }
  CHECK(SharedFolder::remove_if_unused(path));
  CHECK(fs::is_empty(parent.path));
  CHECK(SharedFolder::remove_if_unused(path));
}

TEST_CASE("SharedFolder: a sweep takes what nobody uses and what removers left") {
  const Parent parent;
  const SharedFolder used = SharedFolder::enter(parent.path + "/s1");
  { const SharedFolder unused = SharedFolder::enter(parent.path + "/s2"); }
  fs::create_directories(parent.path + "/s3/deep");        // made by one that was killed right then
  fs::create_directories(parent.path + "/.gone-s4/deep");  // moved by one that was killed then
  fs::create_directories(parent.path + "/other");
  fs::create_directory_symlink("/etc", parent.path + "/s5");
  SharedFolder::sweep(parent.path, 's');
  CHECK(fs::exists(parent.path + "/s1"));
  CHECK_FALSE(fs::exists(parent.path + "/s2"));
  CHECK_FALSE(fs::exists(parent.path + "/s3"));
  CHECK_FALSE(fs::exists(parent.path + "/.gone-s4"));
  CHECK(fs::exists(parent.path + "/other"));
  CHECK(fs::exists("/etc/passwd"));
  SharedFolder::sweep(parent.path + "/none", 's');
}

TEST_CASE("SharedFolder: one that can't be removed keeps a sweep from no other") {
  const Parent parent;
  for (int i = 0; i < 8; ++i) {
    const std::string number = std::to_string(i);
    fs::create_directories(parent.path + "/s-stuck" + number + "/.alive");  // can't be locked
    { const SharedFolder unused = SharedFolder::enter(parent.path + "/s-left" + number); }
  }
  SharedFolder::sweep(parent.path, 's');
  for (int i = 0; i < 8; ++i) {
    CHECK_FALSE(fs::exists(parent.path + "/s-left" + std::to_string(i)));
    CHECK(fs::exists(parent.path + "/s-stuck" + std::to_string(i)));
  }
}

TEST_CASE("SharedFolder: one that others may enter is refused") {
  const Parent parent;
  fs::create_directory(parent.path + "/s1");
  fs::permissions(parent.path + "/s1", fs::perms::all);
  CHECK_THROWS_AS(SharedFolder::enter(parent.path + "/s1"), Invalid);
}

TEST_CASE("SharedFolder: removers never take it from under who has entered") {
  const Parent parent;
  const std::string path = parent.path + "/s1";
  std::atomic<bool> stop = false;
  std::atomic<int> lost = 0;
  std::vector<std::thread> removers;
  for (int i = 0; i < 2; ++i) {
    removers.emplace_back([&] {
      while (!stop) SharedFolder::remove_if_unused(path);
    });
  }
  std::vector<std::thread> users;
  for (int i = 0; i < 2; ++i) {
    users.emplace_back([&, i] {
      for (int round = 0; round < 300; ++round) {
        const SharedFolder folder = SharedFolder::enter(path);
        const std::string file = path + "/" + std::to_string(i);
        std::ofstream(file) << "x";
        if (!fs::exists(file)) ++lost;
        fs::remove(file);
      }
    });
  }
  for (std::thread& user : users) user.join();
  stop = true;
  for (std::thread& remover : removers) remover.join();
  CHECK(lost == 0);
  CHECK(SharedFolder::remove_if_unused(path));
}
