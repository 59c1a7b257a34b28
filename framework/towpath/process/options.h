#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "towpath/process/method.h"

namespace towpath {

// What a Process may want otherwise.
struct Options {
  std::string name{};  // empty: "Process-1", "Process-2"; a child's child: "Process-1:1"
  // Ended, not waited for, when its Process object or this program ends. Unless it is said, no
  // process is a daemon, nor is a daemon's child: a function that has a child works the same
  // wherever it runs. (Python has the creator's, which shows nowhere: its daemons have no
  // children.)
  bool daemon = false;
  std::optional<Method> method{};  // get_start_method()
  // The child lives on when its parent dies, and learns of it by parent_process(). Otherwise the
  // kernel kills it, so that a program that was killed leaves nobody behind.
  bool outlives_parent = false;
  // Added to the child's environment before the target runs.
  std::vector<std::pair<std::string, std::string>> env{};
  // Where the child's standard streams go; -1: where the parent's go. Only looked at by start().
  int stdout_fd = -1;
  int stderr_fd = -1;
};

}  // namespace towpath
