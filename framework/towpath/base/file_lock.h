#pragma once
#include <string>

#include "towpath/base/unique_fd.h"

namespace towpath {

// A lock that ends with its holder, however that ends: flock(2) on an open file. It belongs to the
// open file description: a child of fork has it, too, and it is free when the last copy is closed.
//
// Errors     SystemError, with `path`.
// Threads    any.
enum class FileLock { kShared, kExclusive };

void lock_file(const UniqueFd& fd, FileLock how, const std::string& path);  // blocks
// False: another holds it.
bool try_lock_file(const UniqueFd& fd, FileLock how, const std::string& path);

// Whether `path`, itself and not what a link there points to, is still the file that is open. Who
// has locked a file that others remove or replace asks this next, and opens it anew if not.
bool is_in_place(const UniqueFd& fd, const std::string& path);

}  // namespace towpath
