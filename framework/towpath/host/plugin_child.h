#pragma once
#include "towpath/message/type.h"
#include "towpath/plugin/scan.h"
#include "towpath/stage/catalogue.h"
#include "towpath/stage/settings.h"

// Code of plugins, run for the planner in child processes: what crashes there is an error here.

namespace towpath {

// The stages there are: of the plugin folders, and of the program itself.
PluginScan load_catalogue();

// The columns that a stage finds in its input. Throws Invalid with what the stage threw, or how its
// process died.
Schema detect_in_child(const Catalogue::Entry& entry, const Settings& settings);

}  // namespace towpath
