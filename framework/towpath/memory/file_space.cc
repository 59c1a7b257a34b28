#include "towpath/memory/file_space.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr uint64_t kStep = uint64_t{64} << 20;  // a signal makes the kernel begin a step anew

}  // namespace

int reserve_space(int fd, uint64_t at, uint64_t size) {
  for (const uint64_t end = at + size; at < end;) {
    const uint64_t step = std::min(kStep, end - at);
    const int error = ::posix_fallocate(fd, static_cast<off_t>(at), static_cast<off_t>(step));
    if (error == EINTR) continue;
    if (error != 0) return error;
    at += step;
  }
  return 0;
}

void throw_file_limit(std::string_view what, uint64_t size) {
  throw Invalid(
      format("{}: {} bytes pass the limit on the size of files, which counts for shared memory, "
             "too: raise it with ulimit -f unlimited",
             what, size));
}

void require_file_limit(std::string_view what, uint64_t size) {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur) throw_file_limit(what, size);
}

}  // namespace towpath
