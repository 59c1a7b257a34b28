#pragma once
#include <string>
#include <string_view>

#include "towpath/base/counter.h"

namespace towpath {

// All that a stage may ask of the world; the worker implements it.
class Services {
 public:
  virtual ~Services() = default;
  // A number of this stage that the run shows, e.g. "bytes_read"; made at first use.
  virtual Counter& counter(std::string_view name) = 0;
  // A new empty file's path, in the run's folder; removed when the run ends.
  virtual std::string temp_file() = 0;
};

}  // namespace towpath
