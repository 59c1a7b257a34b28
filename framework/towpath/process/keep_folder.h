#pragma once
#include <string>

#include "towpath/base/unique_fd.h"

namespace towpath {

// The keeper's own work: learns the folder from the line, removes it when the line closes, exits.
[[noreturn]] void run_keeper(UniqueFd line);

// Has the keeper of `folder` live as long as this process, and longer: see Keeper.
void keep_folder(const std::string& folder);

}  // namespace towpath
