#include "towpath/input/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/input/decompressor.h"

namespace towpath {
namespace {
constexpr size_t kRawBytes = 128 << 10;
}

InputFile::InputFile(std::string path) : path_(std::move(path)) {
  fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd_) throw_errno(format("open({})", path_));
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw_errno(format("fstat({})", path_));
  if (S_ISDIR(status.st_mode)) throw Invalid(format("{} is a folder, not a file", path_));
  identity_.device = status.st_dev;
  identity_.inode = status.st_ino;
  if (S_ISREG(status.st_mode)) {
    identity_.size = static_cast<uint64_t>(status.st_size);
    identity_.modified = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    seekable_ = true;
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint: it may fail
  }
  raw_ = std::make_unique_for_overwrite<char[]>(kRawBytes);
  // A pipe may give its first bytes one by one; the format needs four.
  while (raw_end_ < 4) {
    const size_t count = read_file(raw_.get() + raw_end_, kRawBytes - raw_end_);
    if (count == 0) break;
    raw_end_ += count;
  }
  decompressor_ = Decompressor::for_content({raw_.get(), raw_end_});
}

InputFile::InputFile(InputFile&&) noexcept = default;
InputFile::~InputFile() = default;

size_t InputFile::read_file(char* into, size_t size) {
  for (;;) {
    const ssize_t count = ::read(fd_.get(), into, size);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) throw_errno(format("read({})", path_));
  }
}

bool InputFile::refill() {
  raw_begin_ = 0;
  raw_end_ = read_file(raw_.get(), kRawBytes);
  return raw_end_ > 0;
}

size_t InputFile::read(char* into, size_t size) {
  if (size == 0) return 0;
  if (!decompressor_) {
    size_t count = std::min(size, raw_end_ - raw_begin_);
    if (count > 0) {
      std::memcpy(into, raw_.get() + raw_begin_, count);
      raw_begin_ += count;
    } else {
      count = read_file(into, size);
    }
    position_ += count;
    consumed_ += count;
    return count;
  }
  try {
    for (;;) {
      if (raw_begin_ == raw_end_ && !refill()) {
        // The last input may have left text inside the decompressor.
        const Decompressor::Step step = decompressor_->run({}, into, size);
        if (step.made == 0) decompressor_->end();
        position_ += step.made;
        return step.made;
      }
      const Decompressor::Step step =
          decompressor_->run({raw_.get() + raw_begin_, raw_end_ - raw_begin_}, into, size);
      raw_begin_ += step.taken;
      consumed_ += step.taken;
      position_ += step.made;
      if (step.made > 0) return step.made;
    }
  } catch (const Invalid& error) {
    throw Invalid(
        format("{}: byte {}: {}; the file is damaged or was cut off: replace it, or leave "
               "it out of the input",
               path_, consumed_, error.what()));
  }
}

void InputFile::seek(uint64_t byte) {
  if (byte == position_) return;
  if (!decompressor_ && seekable_) {
    if (byte > identity_.size) {
      throw Invalid(format("{}: it ends at byte {}, before byte {}", path_, identity_.size, byte));
    }
    if (::lseek(fd_.get(), static_cast<off_t>(byte), SEEK_SET) < 0) {
      throw_errno(format("lseek({}, {})", path_, byte));
    }
    raw_begin_ = raw_end_ = 0;
    position_ = consumed_ = byte;
    return;
  }
  expect(byte > position_, "seeking backward in a compressed file");
  const auto skipped = std::make_unique_for_overwrite<char[]>(kRawBytes);
  while (position_ < byte) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(kRawBytes, byte - position_));
    if (read(skipped.get(), wanted) == 0) {
      throw Invalid(format("{}: its text ends at byte {}, before byte {}", path_, position_, byte));
    }
  }
}

}  // namespace towpath
