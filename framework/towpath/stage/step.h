#pragma once
#include <string>

#include "towpath/message/codec.h"
#include "towpath/message/object.h"
#include "towpath/stage/settings.h"

namespace towpath {

// One step of a stage, ready to be made: its kind, where that lives, and its checked settings. Data
// only.
struct Step {
  std::string kind;
  std::string plugin;  // path of the .so; empty: the running program
  Object values;       // the checked fields, defaults filled in
  Settings::Context context;
  bool row_to_row = false;
  bool stateful = false;
  TOWPATH_FIELDS(kind, plugin, values, context, row_to_row, stateful)
};

}  // namespace towpath
