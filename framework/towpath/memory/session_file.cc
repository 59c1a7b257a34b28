#include "towpath/memory/session_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/program_session.h"
#include "towpath/base/unique_fd.h"
#include "towpath/memory/file_space.h"

namespace towpath {

struct SessionFile::Mapped {
  Handle handle;
  size_t kind_length = 0;
  std::byte* data = nullptr;
  uint64_t size = 0;
  dev_t device = 0;
  ino_t inode = 0;
  pid_t maker = 0;  // 0: another process
  std::atomic<bool> unlinked = false;

  static std::shared_ptr<Mapped> of(int fd, const Handle& handle, size_t kind_length,
                                    const struct stat& file);
  ~Mapped();
};

// What this process has mapped, by handle.
struct SessionFile::Registry {
  struct Entry {
    std::weak_ptr<Mapped> mapped;
    const Mapped* address = nullptr;
  };
  std::mutex mutex;
  std::map<std::string, Entry> entries;

  // Never destroyed: statics of other files may hold a SessionFile.
  static Registry& get() {
    static auto* const it = new Registry;
    return *it;
  }
  void remove(const Mapped& mapped) {
    const std::lock_guard lock(mutex);
    const auto it = entries.find(mapped.handle.text());
    if (it != entries.end() && it->second.address == &mapped) entries.erase(it);
  }
  // The one that is known by this name and is this file, or what `make` makes. A name can have been
  // given to another file meanwhile.
  template <class Make>
  std::shared_ptr<Mapped> find_or(const Handle& handle, const struct stat& file, Make make) {
    std::shared_ptr<Mapped> known;  // ends behind the lock, which its destructor takes
    const std::lock_guard lock(mutex);
    if (const auto it = entries.find(handle.text()); it != entries.end())
      known = it->second.mapped.lock();
    if (known != nullptr && known->device == file.st_dev && known->inode == file.st_ino)
      return known;
    std::shared_ptr<Mapped> made = make();
    entries.insert_or_assign(handle.text(), Entry{made, made.get()});
    return made;
  }
};

SessionFile::Mapped::~Mapped() {
  Registry::get().remove(*this);
  if (maker == ::getpid() && !unlinked) ::unlink(handle.path().c_str());
  if (data != nullptr) ::munmap(data, size);
}

namespace {

constexpr size_t kMaxName = 200;

void check_name(std::string_view kind, std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxName &&
                    std::ranges::none_of(name, [](char c) { return c == '/' || c == '\0'; });
  if (!good) {
    throw Invalid(format("\"{}\" can't name a {}: 1 to {} bytes, neither '/' nor NUL among them",
                         name.substr(0, name.find('\0')), kind, kMaxName));
  }
}

[[noreturn]] void throw_full(const Handle& handle, uint64_t size, uint64_t all, uint64_t free) {
  throw Full(
      format("{}: no room for {} bytes in /dev/shm, which has {} in all and {} free: free some, or "
             "mount it larger",
             handle.name, size, all, free));
}

void reserve(int fd, const Handle& handle, uint64_t size) {
  struct statvfs room {};
  if (::fstatvfs(fd, &room) != 0) throw_errno("fstatvfs(/dev/shm)");
  const uint64_t all = room.f_blocks * room.f_frsize;
  const uint64_t free = room.f_bavail * room.f_frsize;
  // What can't be is not tried: it would take all the memory that there is. A file system without a
  // limit counts no blocks.
  if (all != 0 && size > free) throw_full(handle, size, all, free);
  if (!std::in_range<off_t>(size)) throw Invalid(format("{}: {} bytes", handle.name, size));
  const int error = reserve_space(fd, 0, size);
  if (error == ENOSPC) throw_full(handle, size, all, free);
  if (error == EFBIG) throw_file_limit(handle.name, size);
  if (error != 0) throw SystemError(format("posix_fallocate({}, 0, {})", handle.name, size), error);
}

// What is open gets its name whole or not at all. False: the name is taken.
bool give_name(int fd, const std::string& path) {
  if (::linkat(AT_FDCWD, format("/proc/self/fd/{}", fd).c_str(), AT_FDCWD, path.c_str(),
               AT_SYMLINK_FOLLOW) == 0)
    return true;
  if (errno == EEXIST) return false;
  throw_errno(format("linkat(/proc/self/fd/{}, {})", fd, path));
}

Handle handle_of(std::string_view kind, std::string_view name) {
  return {program_session_id(), format("{}-{}", kind, name)};
}

}  // namespace

std::shared_ptr<SessionFile::Mapped> SessionFile::Mapped::of(int fd, const Handle& handle,
                                                             size_t kind_length,
                                                             const struct stat& file) {
  auto mapped = std::make_shared<Mapped>();
  mapped->handle = handle;
  mapped->kind_length = kind_length;
  mapped->device = file.st_dev;
  mapped->inode = file.st_ino;
  const auto size = static_cast<uint64_t>(file.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) throw_errno(format("mmap({}, {} bytes)", handle.name, size));
  mapped->data = static_cast<std::byte*>(data);
  mapped->size = size;
  return mapped;
}

SessionFile SessionFile::create_named(std::string_view kind, std::string_view name, uint64_t size) {
  check_name(kind, name);
  if (size == 0) throw Invalid(format("{} \"{}\": 0 bytes can't be shared", kind, name));
  const std::string& folder = program_session().folder();
  const Handle handle = handle_of(kind, name);
  const UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) throw_errno(format("open({}, O_TMPFILE)", folder));
  reserve(fd.get(), handle, size);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(format("fstat({})", handle.name));
  const std::shared_ptr<Mapped> mapped = Mapped::of(fd.get(), handle, kind.size(), status);
  // Named and known in one, for another thread that opens it right now.
  return SessionFile(Registry::get().find_or(handle, status, [&] {
    if (!give_name(fd.get(), handle.path())) {
      throw Invalid(
          format("{} \"{}\" exists in this program's session: choose another name, or "
                 "open it",
                 kind, name));
    }
    mapped->maker = ::getpid();
    return mapped;
  }));
}

SessionFile SessionFile::create(std::string_view kind, uint64_t size) {
  static std::atomic<uint64_t> count{0};
  // A process id can have been given out before, within a session.
  for (;;) {
    const std::string name = format("{}-{}", ::getpid(), ++count);
    const std::string path = handle_of(kind, name).path();
    if (::access(path.c_str(), F_OK) != 0) return create_named(kind, name, size);
  }
}

SessionFile SessionFile::open_named(std::string_view kind, std::string_view name) {
  check_name(kind, name);
  return open(kind, handle_of(kind, name));
}

SessionFile SessionFile::open(std::string_view kind, const Handle& handle) {
  if (!handle.name.starts_with(format("{}-", kind)))
    throw Invalid(format("{} is not a {}", handle.name, kind));
  const std::string path = handle.path();
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno != ENOENT) throw_errno(format("open({})", path));
  if (!fd) {
    throw Closed(
        format("{} is not found: it was never made, or it was unlinked, or its last copy in the "
               "process that made it has ended; that must outlast those who open it",
               handle.name));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(format("fstat({})", path));
  if (!S_ISREG(status.st_mode) || status.st_size == 0)
    throw Invalid(format("{} is no shared memory", path));
  return SessionFile(Registry::get().find_or(
      handle, status, [&] { return Mapped::of(fd.get(), handle, kind.size(), status); }));
}

std::span<std::byte> SessionFile::bytes() const { return {mapped_->data, mapped_->size}; }
const Handle& SessionFile::handle() const { return mapped_->handle; }
std::string_view SessionFile::name() const {
  return std::string_view(mapped_->handle.name).substr(mapped_->kind_length + 1);
}

void SessionFile::unlink() {
  if (mapped_->maker != ::getpid()) {
    throw Invalid(format("unlink: {} belongs to the process that made it, and is not this one's",
                         mapped_->handle.name));
  }
  if (mapped_->unlinked.exchange(true))
    throw Closed(format("unlink: {} was unlinked before", mapped_->handle.name));
  Registry::get().remove(*mapped_);
  if (::unlink(mapped_->handle.path().c_str()) != 0 && errno != ENOENT)
    throw_errno(format("unlink({})", mapped_->handle.path()));
}

void SessionFile::check_size(uint64_t size) const {
  if (mapped_->size != size) {
    throw Invalid(format("{} has {} bytes, not {}: it was made by another version of this program",
                         mapped_->handle.name, mapped_->size, size));
  }
}

}  // namespace towpath
