#pragma once
#include <string>

// Where a file that is to be written really comes to lie.

namespace towpath {

// The file behind `path` when that is a symbolic link, or a chain of them; else `path`. It need not
// be there. What writes a file writes through links, as a shell does: it never replaces one.
// Invalid for a chain without end, and for a NUL byte.
std::string follow_links(const std::string& path);

// The one absolute name of a file, however its path is written; it and its folders need not be
// there. Invalid as follow_links().
std::string real_path(const std::string& path);

// Throws Invalid or SystemError that says why no file can be written there: the path names a
// folder or a device, lies below a file, or in a folder that may not be written.
void check_output_path(const std::string& path);

}  // namespace towpath
