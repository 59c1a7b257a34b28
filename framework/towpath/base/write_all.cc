#include "towpath/base/write_all.h"

#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

void write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno(format("write({})", what));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace towpath
