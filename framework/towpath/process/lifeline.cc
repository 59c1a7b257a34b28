#include "towpath/process/lifeline.h"

#include <fcntl.h>

#include "towpath/base/error.h"

namespace towpath {

Lifeline::Lifeline() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2(O_CLOEXEC)");
  watched_.reset(ends[0]);
  held_ = PrivateFd(UniqueFd(ends[1]));
}

}  // namespace towpath
