#pragma once
#include <optional>
#include <string>
#include <vector>

#include "towpath/input/glob.h"

namespace towpath {

// What a source found to read when the run was begun, in a file of the run's folder. It is on the
// disk, whole, or it is not there: none. Throws SystemError.
void save_input_list(const std::string& path, const std::vector<FoundFile>& files);
std::optional<std::vector<FoundFile>> load_input_list(const std::string& path);

}  // namespace towpath
