#pragma once
#include "towpath/process/child_state.h"
#include "towpath/process/options.h"
#include "towpath/process/target.h"

namespace towpath {

// Starts a child by its method, which runs `call`. When this throws there is no child. The call
// stays the caller's, for another try.
ChildState::Started start_child(const Options& options, Method method, Call& call);

}  // namespace towpath
