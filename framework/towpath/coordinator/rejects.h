#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "towpath/base/unique_fd.h"
#include "towpath/graph/plan.h"
#include "towpath/message/batch.h"
#include "towpath/run/run_folder.h"

namespace towpath {

// The run's reject file. Stages run side by side, so each has a file of its own while the run goes
// on; at the end they are joined in plan order, and the file is the same whatever the workers'
// pace. Each line: {"stage":…,"file":…,"line":…,"byte":…,"reason":…,"raw":…}.
class RejectFile {
 public:
  RejectFile(const RunFolder& folder, const Plan& plan) : folder_(folder), plan_(plan) {}
  // Throws SystemError when the disk refuses.
  void add(int stage, const Batch& rejects);
  // Joins the stages' files as rejects.jsonl, if there is anything in them.
  void finish();
  int64_t count() const { return count_; }
  // "data/a.csv:17: stage "clean": …": the first one, for the message of a run that they stop.
  const std::string& first() const { return first_; }
  std::string path() const { return folder_.file("rejects.jsonl"); }

 private:
  std::string part(int stage) const;

  const RunFolder& folder_;
  const Plan& plan_;
  std::map<int, UniqueFd> files_;
  int64_t count_ = 0;
  std::string first_;
};

}  // namespace towpath
