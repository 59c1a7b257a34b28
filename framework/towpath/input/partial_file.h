#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/base/unique_fd.h"
#include "towpath/input/output_path.h"

namespace towpath {

// A file that appears under its name only when it is complete: it grows as
// `<path>.towpath.partial`, which is made durable with sync() and gets its name with publish().
// What the file sinks write to. That name is Towpath's: a file that has it is what a killed run
// left, and is written over.
//
// Mode       of the file that is replaced; else what the umask leaves.
// Errors     SystemError, naming call and path, also when the disk is full; Invalid when another
//            process writes the same file, or when one of the two names is taken by something that
//            is not a regular file (a symbolic link as the partial one).
// Threads    one object, one thread.
class PartialFile {
 public:
  // Where `path` is a symbolic link, the file that it leads to is written, and the link stays.
  explicit PartialFile(const std::string& path)
      : path_(follow_links(path)), partial_(path_ + std::string(kSuffix)) {}

  // Starts at `position`, which a sync() returned before: what lies behind is cut off. Position 0
  // starts afresh. Makes the folders that lack. Opening at the end of a file already published
  // leaves it so. `mark`, if any: Invalid unless it is the file of that mark, and not one that
  // another run has begun since.
  void open(uint64_t position, std::string_view mark = "");

  // Text to write: append to it, then call written(), which writes it out in large pieces.
  std::string& buffer() { return buffer_; }
  void written() {
    if (buffer_.size() >= kFlushBytes) flush();
  }
  uint64_t sync();  // all of it is on disk; returns the position behind it
  // Tells this file from any other that had or will have its name; while it is open.
  std::string mark() const;

  void publish();  // rename; also makes the name durable. Repeatable
  void discard();  // removes the partial file, if it is not published. Repeatable
  const std::string& path() const { return path_; }
  const std::string& partial_path() const { return partial_; }  // locked while it is open

 private:
  static constexpr std::string_view kSuffix = ".towpath.partial";
  static constexpr size_t kFlushBytes = 256 << 10;
  void flush();

  const std::string path_, partial_;
  UniqueFd fd_;
  std::string buffer_;
  uint64_t size_ = 0;  // written to fd_
  bool published_ = false;
};

}  // namespace towpath
