#include "towpath/process/method.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/process/identity.h"

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
  for (const Method method : get_all_start_methods()) {
    if (name == method_name(method)) return method;
  }
  throw Invalid(format("no start method \"{}\": there are forkserver, spawn and fork", name));
}

std::vector<Method> get_all_start_methods() {
  return {Method::kForkserver, Method::kSpawn, Method::kFork};
}

Method get_start_method() { return this_identity().method; }

void set_start_method(Method method, bool force) {
  Identity& self = this_identity();
  if (self.method_was_set.exchange(true) && !force) {
    throw Invalid(
        format("set_start_method({}): it was set before, to {}; set it once, or take "
               "get_context({}), or say force",
               method_name(method), method_name(self.method), method_name(method)));
  }
  self.method = method;
}

void set_start_method(std::string_view name, bool force) {
  set_start_method(parse_method(name), force);
}

}  // namespace towpath
