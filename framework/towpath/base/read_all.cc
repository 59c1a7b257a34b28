#include "towpath/base/read_all.h"

#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

void read_all(int fd, void* into, size_t size, uint64_t at, std::string_view what) {
  for (char* to = static_cast<char*>(into); size > 0;) {
    const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(format("pread({})", what));
    if (got == 0)
      throw Invalid(format("{} ends at byte {}, and {} bytes more belong to it", what, at, size));
    to += got;
    at += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
}

}  // namespace towpath
