#include "towpath/process/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include "towpath/base/error.h"

namespace towpath {

void open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", O_RDONLY) != fd) throw_errno("open(/dev/null)");
  }
}

}  // namespace towpath
