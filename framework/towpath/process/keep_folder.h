#pragma once
#include "towpath/base/unique_fd.h"

namespace towpath {

// The keeper's own work: learns the folder from the line, removes it when the line closes, exits.
[[noreturn]] void run_keeper(UniqueFd line);

}  // namespace towpath
