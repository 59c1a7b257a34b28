#pragma once
#include <sys/types.h>

#include <atomic>
#include <string>

#include "towpath/base/private_fd.h"
#include "towpath/process/method.h"

namespace towpath {

// Who this process is: what this_process.h and method.h tell, as data.
struct Identity {
  std::string name = "MainProcess";
  bool daemon = false;
  pid_t parent = 0;  // 0: it is the program itself
  std::string parent_name{};
  PrivateFd line{};  // to the parent; hung up when that has ended
  std::atomic<int> children{0};
  std::atomic<Method> method{Method::kForkserver};
  std::atomic<bool> method_was_set{false};
};

Identity& this_identity();

struct Job;
// Says who this process is from now on.
void become_child(const Job& job, PrivateFd line);

// "Process-1", "Process-2"; in a child its own name first: "Process-1:1".
std::string next_child_name();

}  // namespace towpath
