#pragma once
#include <link.h>

#include <string>

namespace towpath {

// The path of a module's file: empty for the executable. The loader keeps a path as dlopen was
// given it; a relative one is told as that of the file that is mapped, because this process, like
// another, may be in another folder by now. Relative only where /proc does not tell.
std::string path_of(const dl_phdr_info& module);

}  // namespace towpath
