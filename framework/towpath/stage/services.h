#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/counter.h"
#include "towpath/input/glob.h"

namespace towpath {

// All that a stage may ask of the world; the worker implements it.
class Services {
 public:
  virtual ~Services() = default;
  // A number of this stage that the run shows, e.g. "bytes_read"; made at first use.
  virtual Counter& counter(std::string_view name) = 0;
  // A new empty file's path, in the run's folder; removed when the run ends.
  virtual std::string temp_file() = 0;
  // For work that takes long within one call: ends the call when the run is being stopped, by an
  // exception that is no std::exception. What discard() gives back must be whole then.
  virtual void stop_point() {}
  // Of a source: the files that it reads, found now or by an earlier process of this stage. Who
  // comes behind a death, or with a run that goes on, reads what the first one found; a run with
  // files that have changed since does not go on.
  virtual std::vector<FoundFile> find_inputs(const std::vector<std::string>& patterns) {
    return find_files(patterns);
  }
  // Of a sink: all files that it has made, or is about to make, and not published. Said before they
  // are opened: where this process can't remove them, killed, the run does. Each call replaces the
  // one before. What must not be removed while this process lives is locked with flock.
  virtual void note_unfinished(const std::vector<std::string>&) {}
};

}  // namespace towpath
