#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "towpath/base/cgroup.h"
#include "towpath/base/error.h"

// A folder that stands for /sys/fs/cgroup and /proc/self/cgroup, removed behind its test.
class CgroupFolder {
 public:
  explicit CgroupFolder(const std::string& own) {
    char name[] = "/tmp/towpath-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) towpath::throw_errno("mkdtemp");
    path_ = name;
    write("own", own);
  }
  ~CgroupFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  CgroupFolder& write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = path_ + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
    return *this;
  }
  towpath::CgroupFiles files() const { return {path_ + "/root", path_ + "/own"}; }

 private:
  std::string path_;
};
