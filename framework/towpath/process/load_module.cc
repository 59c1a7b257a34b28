#include "towpath/process/load_module.h"

#include <dlfcn.h>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

void load_module(const std::string& path) {
  if (::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr)
    throw Invalid(format("it can't be loaded: {}", ::dlerror()));
}

}  // namespace towpath
