#include "towpath/input/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"
#include "towpath/base/write_all.h"

namespace towpath {
namespace {

// The folder that holds `path`, without its last '/': "" for the working directory, "/" for the
// root.
std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return "";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void make_folders(const std::string& folder) {
  if (folder.empty() || ::mkdir(folder.c_str(), 0777) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw_errno(format("mkdir({})", folder));
  make_folders(parent_of(folder));
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
    throw_errno(format("mkdir({})", folder));
}

// When it was made, where the file system knows that: an inode's number may be used again.
std::string mark_of(const UniqueFd& fd, const std::string& path) {
  struct statx status {};
  if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0)
    throw_errno(format("statx({})", path));
  return format("{}.{}.{}", status.stx_ino, status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
}

// Not through a link, which is none of Towpath's, and not waiting for a pipe's other end. The lock
// ends with this process, however it ends.
UniqueFd open_locked(const std::string& path, int flags) {
  UniqueFd fd(
      ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
  if (!fd && errno == ELOOP) throw Invalid(format("{} is a symbolic link: remove it", path));
  if (!fd && errno != EEXIST) throw_errno(format("open({})", path));
  if (!fd || !try_lock_file(fd, FileLock::kExclusive, path)) {
    throw Invalid(format("{} is being written by another process", path));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(format("fstat({})", path));
  if (!S_ISREG(status.st_mode)) throw Invalid(format("{} exists and is not a regular file", path));
  return fd;
}

}  // namespace

void PartialFile::open(uint64_t position, std::string_view mark) {
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) {
      throw Invalid(format("{} exists and is not a regular file", path_));
    }
    // A run that ended between publish() and its last note is opened again at the end.
    const bool goes_on = position > 0 || !mark.empty();
    if (goes_on && static_cast<uint64_t>(status.st_size) == position &&
        ::access(partial_.c_str(), F_OK) != 0) {
      size_ = position;
      published_ = true;
      return;
    }
  }
  make_folders(parent_of(path_));
  fd_.reset();  // and with it the lock of an earlier open()
  UniqueFd fd = open_locked(partial_, 0);
  if (::fstat(fd.get(), &status) != 0) throw_errno(format("fstat({})", partial_));
  if (!mark.empty() && mark != mark_of(fd, partial_)) {
    throw Invalid(
        format("{} is of another run, which was begun since: this one can't go on", partial_));
  }
  if (position == 0 && mark.empty() && status.st_size > 0) {  // what a run has left that was killed
    ::unlink(partial_.c_str());
    fd = open_locked(partial_, O_EXCL);
    status.st_size = 0;
  }
  fd_ = std::move(fd);  // from here on the file is this object's, to write and to remove
  if (static_cast<uint64_t>(status.st_size) < position) {
    throw Invalid(format("{} has {} bytes, fewer than the {} that were recorded", partial_,
                         status.st_size, position));
  }
  if (::ftruncate(fd_.get(), static_cast<off_t>(position)) != 0) {
    throw_errno(format("ftruncate({}, {})", partial_, position));
  }
  if (::lseek(fd_.get(), static_cast<off_t>(position), SEEK_SET) < 0) {
    throw_errno(format("lseek({}, {})", partial_, position));
  }
  size_ = position;
}

void PartialFile::flush() {
  write_all(fd_.get(), buffer_, partial_);
  size_ += buffer_.size();
  buffer_.clear();
}

uint64_t PartialFile::sync() {
  if (published_) return size_;
  flush();
  if (::fsync(fd_.get()) != 0) throw_errno(format("fsync({})", partial_));
  return size_;
}

std::string PartialFile::mark() const { return published_ ? "" : mark_of(fd_, partial_); }

void PartialFile::publish() {
  if (published_) return;
  sync();
  // Who could not read the old one can't read the new one either.
  struct stat old {};
  if (::stat(path_.c_str(), &old) == 0) {
    if (::fchmod(fd_.get(), old.st_mode & 07777) != 0) throw_errno(format("fchmod({})", partial_));
    [[maybe_unused]] const int owner = ::fchown(fd_.get(), old.st_uid, old.st_gid);  // if it may
  }
  if (::rename(partial_.c_str(), path_.c_str()) != 0) {
    throw_errno(format("rename({}, {})", partial_, path_));
  }
  published_ = true;
  fd_.reset();
  const std::string parent = parent_of(path_);
  const UniqueFd folder(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder that may be written but not read can't be synced: the rename stands all the same.
  if (folder) ::fsync(folder.get());
}

void PartialFile::discard() {
  buffer_.clear();
  if (published_ || !fd_) return;
  ::unlink(partial_.c_str());
  fd_.reset();
}

}  // namespace towpath
