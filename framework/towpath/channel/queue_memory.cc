#include "towpath/channel/queue_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/way_out.h"
#include "towpath/memory/file_space.h"

namespace towpath {

QueueMemory::QueueMemory(const Handle& queue, bool create) : path_(queue.path() + ".items") {
  const int how = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0);
  fd_.reset(::open(path_.c_str(), how, 0600));
  if (!fd_ && !create && errno == ENOENT) {
    throw Closed(
        format("{} is not found: its last copy in the process that made it has ended; that must "
               "outlast those who open it",
               queue.name));
  }
  if (!fd_) throw_errno(format("open({})", path_));
  if (!create) return;
  maker_ = ::getpid();
  constexpr uint64_t kAll = kPoolAt + kPoolBytes;
  if (::ftruncate(fd_.get(), static_cast<off_t>(kAll)) == 0) return;
  const int error = errno;
  ::unlink(path_.c_str());
  if (error == EFBIG) throw_file_limit(queue.name, kAll);
  throw SystemError(format("ftruncate({}, {})", path_, kAll), error);
}

QueueMemory::~QueueMemory() {
  if (maker_ == ::getpid()) ::unlink(path_.c_str());
  if (char* it = stream_) ::munmap(it, kStreamBytes);
  if (char* it = table_) ::munmap(it, kTableBytes);
  if (char* it = pool_) ::munmap(it, kPoolBytes);
}

char* QueueMemory::map(std::atomic<char*>& mapped, uint64_t at, uint64_t size) {
  void* it = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_.get(),
                    static_cast<off_t>(at));
  if (it == MAP_FAILED) throw_errno(format("mmap({}, {} bytes)", path_, size));
  char* expected = nullptr;
  if (!mapped.compare_exchange_strong(expected, static_cast<char*>(it))) {
    ::munmap(it, size);  // another thread was first
    return expected;
  }
  return static_cast<char*>(it);
}

bool QueueMemory::reserve(uint64_t at, uint64_t size) {
  struct statvfs room {};
  if (::fstatvfs(fd_.get(), &room) != 0) throw_errno("fstatvfs(/dev/shm)");
  // A file system without a limit counts no blocks.
  const bool fits = room.f_blocks == 0 || size <= room.f_bavail * room.f_frsize;
  const int error = fits ? reserve_space(fd_.get(), at, size) : ENOSPC;
  const bool lacks = error == ENOSPC || error == ENOMEM;
  lacks_ = lacks ? size : 0;
  if (error == 0) return true;
  if (lacks) return false;
  throw SystemError(format("posix_fallocate({}, {}, {})", path_, at, size), error);
}

std::string QueueMemory::lack() const {
  const uint64_t bytes = lacks_;
  if (bytes == 0) return {};
  return format("it needs {} KiB more in /dev/shm: {}", (bytes + 1023) / 1024,
                room_in_shared_memory());
}

void QueueMemory::give_back(uint64_t at, uint64_t size) noexcept {
  // Where it can't be it stays the queue's, to its end.
  [[maybe_unused]] const int done =
      ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                  static_cast<off_t>(size));
}

}  // namespace towpath
