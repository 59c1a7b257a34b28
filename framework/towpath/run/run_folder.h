#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/unique_fd.h"

namespace towpath {

// A run's folder: <base>/<id>/, mode 0700, with
//
//   run.lock      held by every process of the run as long as it lives
//   run.db        plan, status, ledger (see run_db.h)
//   log           what the run and its workers wrote
//   rejects/      one file per stage while the run goes on
//   rejects.jsonl the same in plan order, once it has ended
//   inputs/       what sources found to read, and the stages' plugins, as they were at the start
//   states/N/     of epoch N: what stages kept, and batches whose turn had not come; of the last
//                 one, while the run goes on
//   tmp/          files that stages asked for; emptied at the end
class RunFolder {
 public:
  // Makes the folder. The id is unique: date, time, pipeline and a counter where that is not
  // enough. Throws SystemError.
  static RunFolder create(const std::string& base, std::string_view pipeline);

  // Of a run that has ended, or whose coordinator has died: waits for its last processes. Throws
  // Invalid for one that goes on, and for a folder that is no run's.
  static RunFolder open(const std::string& path);

  const std::string& id() const { return id_; }
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  int lock_fd() const { return lock_.get(); }
  void remove_temporary() const;
  void remove_origin() const;  // what the run could go on from

 private:
  std::string id_, path_;
  UniqueFd lock_;
};

}  // namespace towpath
