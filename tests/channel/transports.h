#pragma once
#include <vector>

#include "towpath/channel/transport.h"

// All that a channel promises is tested over each of these.
inline std::vector<towpath::Transport> transports() {
  return {towpath::Transport::kSharedMemory, towpath::Transport::kZeroMq};
}
