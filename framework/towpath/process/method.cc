#include "towpath/process/method.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

std::string_view method_name(Method method) {
  switch (method) {
    case Method::kForkserver:
      return "forkserver";
    case Method::kSpawn:
      return "spawn";
    case Method::kFork:
      return "fork";
  }
  throw Bug("a start method that does not exist");
}

Method parse_method(std::string_view name) {
  for (const Method method : {Method::kForkserver, Method::kSpawn, Method::kFork}) {
    if (name == method_name(method)) return method;
  }
  throw Invalid(format("no start method \"{}\": there are forkserver, spawn and fork", name));
}

}  // namespace towpath
