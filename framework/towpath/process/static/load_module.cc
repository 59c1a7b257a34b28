#include "towpath/process/load_module.h"

#include "towpath/base/error.h"

namespace towpath {

void load_module(const std::string&) {
  throw Invalid("a program that is linked statically loads no libraries");
}

}  // namespace towpath
