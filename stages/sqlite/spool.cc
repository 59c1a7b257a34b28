#include "stages/sqlite/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <span>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"

namespace towpath::sqlite {
namespace {

constexpr size_t kFlushBytes = 256 << 10;
constexpr uint64_t kHeadBytes = sizeof(uint64_t);

struct Frame {
  uint64_t size;
  uint64_t head_at;
};

void read_all(int fd, void* into, size_t size, uint64_t at, const std::string& path) {
  for (char* to = static_cast<char*>(into); size > 0;) {
    const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(format("pread({})", path));
    if (got == 0) throw Invalid(format("{} ends within a batch", path));
    to += got;
    at += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
}

void write_all(int fd, std::string_view bytes, uint64_t at, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw_errno(format("pwrite({})", path));
    at += static_cast<uint64_t>(put);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
}

std::string image_of(const Batch& batch, Frame& frame) {
  BatchBuilder copy(batch.schema());
  std::vector<int32_t> rows(static_cast<size_t>(batch.rows()));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  copy.add_rows_from(batch, rows);
  for (size_t i = 0; i < batch.schema().size(); ++i) {
    copy.column(i).append(batch.column(i), 0, batch.rows());
  }
  const BatchBuilder::Layout layout = copy.layout();
  std::string image(layout.size, '\0');
  copy.write(layout, image.data());
  frame = {layout.size, layout.head_at};
  return image;
}

}  // namespace

void Spool::open(std::string_view position) {
  // Not through a link, which is none of Towpath's.
  fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd_ && errno == ELOOP) throw Invalid(format("{} is a symbolic link: remove it", path_));
  if (!fd_) throw_errno(format("open({})", path_));
  if (!try_lock_file(fd_, FileLock::kExclusive, path_)) {
    throw Invalid(format("{} is in use: another process writes the same table", path_));
  }
  struct stat file {};
  if (::fstat(fd_.get(), &file) != 0) throw_errno(format("fstat({})", path_));
  if (!S_ISREG(file.st_mode)) throw Invalid(format("{} exists and is not a regular file", path_));
  if (position.empty() || static_cast<uint64_t>(file.st_size) < kHeadBytes) return start(0);

  read_all(fd_.get(), &epoch_, sizeof epoch_, 0, path_);
  uint64_t epoch = 0;
  const char* const begin = position.data();
  const char* const end = begin + position.size();
  const auto first = std::from_chars(begin, end, epoch);
  const auto second = first.ptr == end ? first : std::from_chars(first.ptr + 1, end, size_);
  if (second.ec != std::errc{} || second.ptr != end) {
    throw Invalid(format("\"{}\" is not a position of {}", position, path_));
  }
  // Emptied since by an apply: what stands there now came after the position.
  if (epoch_ != epoch) return start(epoch_);
  if (static_cast<uint64_t>(file.st_size) < size_) {
    throw Invalid(format("{} is shorter than it was", path_));
  }
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) {
    throw_errno(format("ftruncate({})", path_));
  }
}

void Spool::start(uint64_t epoch) {
  if (::ftruncate(fd_.get(), 0) != 0) throw_errno(format("ftruncate({})", path_));
  epoch_ = epoch;
  buffer_.assign(reinterpret_cast<const char*>(&epoch), sizeof epoch);
  size_ = 0;
  flush();
}

void Spool::add(const Batch& batch) {
  Frame frame{};
  const std::string image = image_of(batch, frame);
  buffer_.append(reinterpret_cast<const char*>(&frame), sizeof frame);
  buffer_ += image;
  if (buffer_.size() >= kFlushBytes) flush();
}

void Spool::flush() {
  write_all(fd_.get(), buffer_, size_, path_);
  size_ += buffer_.size();
  buffer_.clear();
}

std::string Spool::sync() {
  flush();
  if (::fdatasync(fd_.get()) != 0) throw_errno(format("fdatasync({})", path_));
  return format("{} {}", epoch_, size_);
}

void Spool::read(const std::function<void(const Batch&)>& take) {
  flush();
  for (uint64_t at = kHeadBytes; at < size_;) {
    Frame frame{};
    read_all(fd_.get(), &frame, sizeof frame, at, path_);
    at += sizeof frame;
    if (frame.size > size_ - at || frame.head_at > frame.size) {
      throw Invalid(format("{} is damaged", path_));
    }
    auto image = std::make_shared<std::string>(frame.size, '\0');
    read_all(fd_.get(), image->data(), image->size(), at, path_);
    at += frame.size;
    const std::span<const char> block(*image);
    take(Batch::open({&block, 1}, frame.head_at, image));
  }
}

void Spool::applied(uint64_t epoch) { start(epoch); }

void Spool::remove() {
  if (!fd_) return;
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) throw_errno(format("unlink({})", path_));
  fd_.reset();
}

}  // namespace towpath::sqlite
