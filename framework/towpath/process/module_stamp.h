#pragma once
#include <link.h>

#include <string>

namespace towpath {

// What tells one build of a module (the executable or a shared library) from another: its build-id,
// or the identity of its file when it has none. Empty: it has neither, its file is gone.
std::string stamp_of(const dl_phdr_info& module);

// The same of a file that need not be loaded.
std::string stamp_of_file(const std::string& path);

}  // namespace towpath
