#include "towpath/memory/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {

Mapping::Mapping(int fd, uint64_t offset, uint64_t size, Access access)
    : size_(static_cast<size_t>(size)), pid_(::getpid()) {
  if (!std::in_range<off_t>(offset)) throw Invalid(format("a mapping at {}", offset));
  const int protection = access == Access::kWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  // NORESERVE: the owner of an arena reserves its pages; a view of all of it must not count again.
  void* data = ::mmap(nullptr, size_, protection, MAP_SHARED | MAP_NORESERVE, fd,
                      static_cast<off_t>(offset));
  if (data == MAP_FAILED)
    throw_errno(
        format("mmap({} of shared memory, at {} of descriptor {})", show_bytes(size), offset, fd));
  if (::madvise(data, size_, MADV_DONTFORK) != 0) {
    const int error = errno;
    ::munmap(data, size_);
    throw SystemError("madvise(MADV_DONTFORK)", error);
  }
  data_ = static_cast<char*>(data);
}

Mapping::~Mapping() {
  if (data_ != nullptr && pid_ == ::getpid()) ::munmap(data_, size_);
}

}  // namespace towpath
