#pragma once
#include <cstdint>
#include <string>

#include "towpath/message/codec.h"

namespace towpath {

// A place in the program's code, named so that another process running the same files finds it: an
// offset in a module (the executable or a shared library), and the module's build-id, or the
// identity of its file when it has none.
struct CodeAddress {
  std::string module;  // path; empty for the executable
  std::string stamp;
  uint64_t offset = 0;
  TOWPATH_FIELDS(module, stamp, offset)
};

CodeAddress locate_code(const void* address);
// Invalid when no module loaded here bears the stamp.
void* resolve_code(const CodeAddress& address);

}  // namespace towpath
