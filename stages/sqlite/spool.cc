#include "stages/sqlite/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <random>
#include <span>

#include "towpath/base/error.h"
#include "towpath/base/file_lock.h"
#include "towpath/base/format.h"
#include "towpath/base/read_all.h"

namespace towpath::sqlite {
namespace {

constexpr size_t kFlushBytes = 256 << 10;

struct Frame {
  uint64_t size;
  uint64_t head_at;
};

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
  lost_ = !position.empty() && static_cast<uint64_t>(file.st_size) < sizeof head_;
  if (position.empty() || lost_) {
    std::random_device random;
    head_.mark = (uint64_t{random()} << 32) | random();
    return start(0);
  }

  read_all(fd_.get(), &head_, sizeof head_, 0, path_);
  std::array<uint64_t, 3> numbers{};  // epoch, size, mark
  const char* at = position.data();
  const char* const end = at + position.size();
  for (uint64_t& number : numbers) {
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc{}) {
      throw Invalid(format("\"{}\" is not a position of {}", position, path_));
    }
    at = stop == end ? end : stop + 1;
  }
  if (head_.mark != numbers[2]) {
    throw Invalid(
        format("{} is of another run, which was begun since: this one can't go on", path_));
  }
  // Emptied since by an apply: what stands there now came after the position.
  if (head_.epoch != numbers[0]) return start(head_.epoch);
  size_ = numbers[1];
  if (static_cast<uint64_t>(file.st_size) < size_) {
    throw Invalid(format("{} is shorter than it was", path_));
  }
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) {
    throw_errno(format("ftruncate({})", path_));
  }
}

void Spool::start(uint64_t epoch) {
  if (::ftruncate(fd_.get(), 0) != 0) throw_errno(format("ftruncate({})", path_));
  head_.epoch = epoch;
  buffer_.assign(reinterpret_cast<const char*>(&head_), sizeof head_);
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
  check_not_lost();
  flush();
  if (::fdatasync(fd_.get()) != 0) throw_errno(format("fdatasync({})", path_));
  return format("{} {} {}", head_.epoch, size_, head_.mark);
}

void Spool::read(const std::function<void(const Batch&)>& take) {
  check_not_lost();
  flush();
  for (uint64_t at = sizeof head_; at < size_;) {
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

void Spool::check_not_lost() const {
  if (!lost_) return;
  throw Invalid(
      format("{} is gone, with rows that were not in the database yet: begin the run anew", path_));
}

void Spool::applied(uint64_t epoch) { start(epoch); }

void Spool::remove() {
  if (!fd_) return;
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) throw_errno(format("unlink({})", path_));
  fd_.reset();
}

}  // namespace towpath::sqlite
