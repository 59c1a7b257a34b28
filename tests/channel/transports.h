#pragma once
#include <vector>

#include "start_methods.h"
#include "towpath/channel/transport.h"

// All that a channel promises is tested over each of these.
inline std::vector<towpath::Transport> transports() {
  return {towpath::Transport::kSharedMemory, towpath::Transport::kZeroMq};
}

// The start methods of a process that may have used it; one that has used ZeroMQ has threads.
inline std::vector<towpath::Method> methods(towpath::Transport transport) {
  if (transport == towpath::Transport::kZeroMq)
    return {towpath::Method::kForkserver, towpath::Method::kSpawn};
  return methods();
}
