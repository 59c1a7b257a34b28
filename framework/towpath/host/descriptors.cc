#include "towpath/host/descriptors.h"

#include <sys/resource.h>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

void make_sure_of_descriptors(int workers) {
  constexpr rlim_t kPerWorker = 4, kOwn = 64;
  const rlim_t needed = kOwn + kPerWorker * static_cast<rlim_t>(workers);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit(RLIMIT_NOFILE)");
  if (limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed) {
    throw Invalid(
        format("the run needs about {} descriptors, and {} are allowed: raise the limit "
               "(ulimit -n), or give it fewer workers",
               needed, limit.rlim_max));
  }
  limit.rlim_cur = needed;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("setrlimit(RLIMIT_NOFILE)");
}

}  // namespace towpath
