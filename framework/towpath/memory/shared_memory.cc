#include "towpath/memory/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

void set_size(int fd, uint64_t size) {
  if (!std::in_range<off_t>(size)) throw Invalid(format("{} bytes of shared memory", size));
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) {
    if (errno == EFBIG) {
      throw Invalid(
          format("shared memory of {} bytes passes the limit on the size of files, which "
                 "counts for it, too: raise it with ulimit -f unlimited",
                 size));
    }
    throw_errno(format("ftruncate(memfd, {})", size));
  }
}

[[noreturn]] void throw_unmapped(int fd, uint64_t offset, uint64_t size) {
  const int error = errno;
  rlimit limit{};
  if (error == ENOMEM && ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    throw Invalid(format(
        "shared memory takes {} of addresses, far more than it fills, and a process may have "
        "{}: raise the limit (ulimit -v unlimited), or give the run less memory (memory: in "
        "the YAML, or --memory)",
        show_bytes(size), show_bytes(limit.rlim_cur)));
  }
  throw SystemError(format("mmap({} bytes at {} of descriptor {})", size, offset, fd), error);
}

}  // namespace

SharedMemory SharedMemory::create(const std::string& name, uint64_t size, Growth growth) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw_errno(format("memfd_create({})", name));
  set_size(fd.get(), size);
  const int seals = growth == Growth::kGrows ? F_SEAL_SHRINK : F_SEAL_SHRINK | F_SEAL_GROW;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals | F_SEAL_SEAL) != 0) throw_errno("fcntl(F_ADD_SEALS)");
  return {std::move(fd), size};
}

SharedMemory SharedMemory::adopt(UniqueFd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    throw Invalid(
        format("descriptor {} is no shared memory that is sealed against shrinking", fd.get()));
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) throw_errno("fstat(memfd)");
  return {std::move(fd), static_cast<uint64_t>(status.st_size)};
}

void SharedMemory::grow(uint64_t size) {
  if (size <= size_) return;
  set_size(fd_.get(), size);
  size_ = size;
}

Mapping::Mapping(int fd, uint64_t offset, uint64_t size, Access access)
    : size_(static_cast<size_t>(size)), pid_(::getpid()) {
  if (!std::in_range<off_t>(offset)) throw Invalid(format("a mapping at {}", offset));
  const int protection = access == Access::kWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  // NORESERVE: the owner of an arena reserves its pages; a view of all of it must not count again.
  void* data = ::mmap(nullptr, size_, protection, MAP_SHARED | MAP_NORESERVE, fd,
                      static_cast<off_t>(offset));
  if (data == MAP_FAILED) throw_unmapped(fd, offset, size);
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
