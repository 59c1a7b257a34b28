#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "towpath/base/unique_fd.h"

// A file of text to read, decompressed on the way when its first bytes say that it is gzip or zstd:
// the name does not matter. Members and frames that follow each other are one text, as gzip and
// zstd read them.
//
// Errors     SystemError when the file can't be opened or read. Invalid when a compressed file is
//            damaged or ends early: names the file and the byte of the file (not of the text) where
//            that was seen.
// Threads    one object, one thread.

namespace towpath {

class Decompressor;  // one compressed format; see decompressor.h

// Which file it was that a path led to when it was opened, and in which state. A file that is no
// regular one, as a pipe, has neither size nor time.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  uint64_t size = 0;     // bytes
  int64_t modified = 0;  // nanoseconds since 1970
};

class InputFile {
 public:
  explicit InputFile(std::string path);
  InputFile(InputFile&&) noexcept;
  ~InputFile();

  // Up to `size` bytes of the text; 0 only at its end.
  size_t read(char* into, size_t size);
  // Goes to a byte of the text. In plain files by lseek, both ways; in others by reading on, so
  // only forward. Invalid when the text ends before.
  void seek(uint64_t byte);

  const std::string& path() const { return path_; }
  bool compressed() const { return decompressor_ != nullptr; }
  uint64_t position() const { return position_; }   // in the text
  uint64_t consumed() const { return consumed_; }   // in the file: what progress counts
  uint64_t size() const { return identity_.size; }  // of the file; 0 when it has none, as a pipe
  const FileIdentity& identity() const { return identity_; }

 private:
  size_t read_file(char* into, size_t size);  // bytes as they lie in the file
  bool refill();

  std::string path_;
  UniqueFd fd_;
  FileIdentity identity_;
  uint64_t position_ = 0;
  uint64_t consumed_ = 0;
  bool seekable_ = false;
  // Bytes read from the file and not taken yet: the first ones, by which the format is known; for a
  // compressed file its input.
  std::unique_ptr<char[]> raw_;
  size_t raw_begin_ = 0, raw_end_ = 0;
  std::unique_ptr<Decompressor> decompressor_;
};

}  // namespace towpath
