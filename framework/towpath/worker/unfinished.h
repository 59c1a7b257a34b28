#pragma once
#include <string>
#include <vector>

namespace towpath {

// What a sink that is killed may leave behind: it is noted in the run's temporary folder before the
// sink opens it, because a message might die with its sender.

// Replaces what was noted before. Throws SystemError.
void note_unfinished_files(const std::string& temp_dir, const std::string& identity,
                           const std::vector<std::string>& files);

// Removes what all sinks of the run have noted, except what a living process holds with flock: it
// is another run's, if the sink could not open it. When no worker is left.
void remove_unfinished_files(const std::string& temp_dir);

}  // namespace towpath
