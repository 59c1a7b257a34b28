#pragma once
#include <cstdint>
#include <string>

#include "towpath/base/process_hooks.h"
#include "towpath/base/unique_fd.h"

namespace towpath {

// The hub, a process of its own that serves a program's queues over ZeroMQ: see
// channel/hub_place.h. Ctrl-C and the terminal's end don't reach it; it ends when all processes of
// the session have.
[[noreturn]] void run_hub(UniqueFd line);

// As ProcessHooks has it.
uint64_t start_hub(HubWork work, const std::string& address);

}  // namespace towpath
