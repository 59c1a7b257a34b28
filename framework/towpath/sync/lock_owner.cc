#include "towpath/sync/lock_owner.h"

#include "towpath/base/format.h"

namespace towpath {

std::string LockOwner::text() const {
  const char* end = ended ? ", which has ended" : "";
  switch (kind) {
    case kNobody:
      return "nobody";
    case kThisThread:
      return "this thread";
    case kOtherThread:
      return format("thread {} of this process{}", tid, end);
    case kOtherProcess:
      return format("process {}{}", pid, end);
  }
  return "";
}

}  // namespace towpath
