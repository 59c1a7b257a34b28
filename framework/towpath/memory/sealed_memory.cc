#include "towpath/memory/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/memory/file_space.h"

namespace towpath {
namespace {

void set_size(int fd, uint64_t size) {
  if (!std::in_range<off_t>(size)) throw Invalid(format("{} bytes of shared memory", size));
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) {
    if (errno == EFBIG) throw_file_limit("shared memory", size);
    throw_errno(format("ftruncate(memfd, {})", size));
  }
}

}  // namespace

SealedMemory SealedMemory::create(const std::string& name, uint64_t size, Growth growth) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw_errno(format("memfd_create({})", name));
  set_size(fd.get(), size);
  const int seals = growth == Growth::kGrows ? F_SEAL_SHRINK : F_SEAL_SHRINK | F_SEAL_GROW;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals | F_SEAL_SEAL) != 0) throw_errno("fcntl(F_ADD_SEALS)");
  return {std::move(fd), size};
}

SealedMemory SealedMemory::adopt(UniqueFd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    throw Invalid(
        format("descriptor {} is no shared memory that is sealed against shrinking", fd.get()));
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) throw_errno("fstat(memfd)");
  return {std::move(fd), static_cast<uint64_t>(status.st_size)};
}

void SealedMemory::grow(uint64_t size) {
  if (size <= size_) return;
  set_size(fd_.get(), size);
  size_ = size;
}

}  // namespace towpath
