#include "towpath/process/subreaper.h"

#include <sys/prctl.h>

#include <mutex>

#include "towpath/base/error.h"

namespace towpath {
namespace {

std::mutex mutex;
int windows = 0;
int before = 0;

}  // namespace

SubreaperWindow::SubreaperWindow() {
  const std::lock_guard lock(mutex);
  if (windows++ > 0) return;
  if (::prctl(PR_GET_CHILD_SUBREAPER, &before) != 0) throw_errno("prctl(PR_GET_CHILD_SUBREAPER)");
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1L) != 0) throw_errno("prctl(PR_SET_CHILD_SUBREAPER)");
}

SubreaperWindow::~SubreaperWindow() {
  const std::lock_guard lock(mutex);
  if (--windows == 0 && before == 0) ::prctl(PR_SET_CHILD_SUBREAPER, 0L);
}

}  // namespace towpath
