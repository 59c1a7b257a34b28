#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

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
  // Bytes of each stage's file, by its id; and the files that there are.
  uint64_t size(int stage) const;
  std::vector<uint64_t> sizes() const;
  std::string file(int stage) const { return part(stage); }
  std::vector<std::string> files() const;
  // Cuts the files back to what sizes() returned in a run before this one, or in this.
  void restore(const std::vector<uint64_t>& sizes);
  // Joins the stages' files as rejects.jsonl, if there is anything in them. A run that may go on
  // needs them still.
  void finish(bool keep_parts);
  int64_t count() const { return count_; }
  // "data/a.csv:17: stage "clean": …": the first one, for the message of a run that they stop.
  const std::string& first() const { return first_; }
  std::string path() const { return folder_.file("rejects.jsonl"); }

 private:
  std::string part(int stage) const;

  const RunFolder& folder_;
  const Plan& plan_;
  struct Part {
    UniqueFd fd;
    uint64_t bytes = 0;
  };
  Part& open(int stage);

  std::map<int, Part> parts_;
  int64_t count_ = 0;
  std::string first_;
};

}  // namespace towpath
