#pragma once
#include <cstdint>
#include <string>

#include "towpath/message/codec.h"

namespace towpath {

// A place in the program's code, named so that another process running the same files finds it: an
// offset in a module (the executable or a shared library), and the module's build-id, or the
// identity of its file when it has none.
struct CodeAddress {
  std::string module;  // the file's path, wherever the process is by now; empty: the executable
  std::string stamp;
  uint64_t offset = 0;
  TOWPATH_FIELDS(module, stamp, offset)
};

CodeAddress locate_code(const void* address);

// The place here, of a process of this program that may be told what to run: a library that this
// one has not loaded is loaded, if its file is still the same. Invalid: it is not, or is gone.
void* resolve_code(const CodeAddress& address);

// The same of what is loaded; null: it is not.
void* find_code(const CodeAddress& address);

// Tells this program's executable from others.
const std::string& program_stamp();

}  // namespace towpath
