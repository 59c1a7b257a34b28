#pragma once
#include <string>

#include "towpath/base/private_fd.h"
#include "towpath/process/method.h"

namespace towpath {

// Says who this process is from now on; this_process.h tells.
void become_child(std::string name, int parent, PrivateFd line, Method default_method);

// "Process-1", "Process-2"; in a child its own name first: "Process-1:1".
std::string next_child_name();

}  // namespace towpath
