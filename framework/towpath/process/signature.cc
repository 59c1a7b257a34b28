#include "towpath/process/signature.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/process/remote_error.h"

namespace towpath::calls {

void throw_does_not_fit(const std::string& number, const std::type_info& type) {
  throw NotSerialisable(
      format("the argument {} does not fit the target's parameter, which is {}: take a wider "
             "parameter, or convert it yourself",
             number, type_name(type)));
}

}  // namespace towpath::calls
