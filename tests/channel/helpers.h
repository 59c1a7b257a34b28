#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"

inline constexpr towpath::Millis kSoon{10'000};  // for what must happen, and happens at once

// A folder for a test's sockets, removed behind it.
class SocketFolder {
 public:
  SocketFolder() {
    char name[] = "/tmp/towpath-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) towpath::throw_errno("mkdtemp");
    path_ = name;
  }
  ~SocketFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string address(const std::string& name = "router") const {
    return "ipc://" + path_ + "/" + name;
  }

 private:
  std::string path_;
};
