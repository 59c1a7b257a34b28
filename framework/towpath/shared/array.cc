#include "towpath/shared/array.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath::arrays {

void check_index(uint64_t index, uint64_t size, const Handle& handle) {
  if (index >= size) throw Invalid(format("{}: index {} of {} elements", handle.name, index, size));
}

void throw_other_size(uint64_t given, uint64_t size, const Handle& handle) {
  throw Invalid(
      format("{}: {} values for {} elements: an Array's size is fixed", handle.name, given, size));
}

}  // namespace towpath::arrays
