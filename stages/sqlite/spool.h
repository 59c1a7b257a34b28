#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "towpath/base/unique_fd.h"
#include "towpath/message/batch.h"

namespace towpath::sqlite {

// Batches on disk that wait for their epoch's commit: a file beside the database, whose name is
// Towpath's: what has it was left by a killed run, and is written over.
//
// The file begins with the number of the last epoch that the database has, and a mark that no other
// run's spool has; what follows is not in the database yet. So a spool that outlived its process
// tells by itself what of it counts.
class Spool {
 public:
  explicit Spool(std::string path) : path_(std::move(path)) {}

  // Starts afresh, or where sync() returned `position`: what lies behind is cut off. Invalid:
  // another process has it open, or another run has begun one since. One that is gone is
  // missed by whoever asks for its rows: where all is in the database, nobody does.
  void open(std::string_view position);
  void add(const Batch& batch);
  // All of it is on disk. Returns the position behind it.
  std::string sync();
  void read(const std::function<void(const Batch&)>& take);
  // The database has all of it: empties the spool.
  void applied(uint64_t epoch);
  // Removes the file. Repeatable.
  void remove();
  bool is_open() const { return static_cast<bool>(fd_); }
  const std::string& path() const { return path_; }

 private:
  void flush();
  void start(uint64_t epoch);
  void check_not_lost() const;

  const std::string path_;
  UniqueFd fd_;
  std::string buffer_;  // not yet in the file
  uint64_t size_ = 0;   // of the file
  struct Head {
    uint64_t epoch = 0;
    uint64_t mark = 0;
  };
  Head head_;
  bool lost_ = false;
};

}  // namespace towpath::sqlite
