#pragma once
#include <cstdint>
#include <string>

#include "towpath/base/unique_fd.h"
#include "towpath/sync/holder.h"

namespace towpath {

// The hub that serves a program's queues over ZeroMQ: a process of this program, started by
// whichever process needs it first, one at a time. It ends with the program's session. Should it be
// killed, what was in its queues is lost with it, and queues that are made from then on get another
// hub.
struct HubPlace {
  uint64_t number = 0;  // counts the session's hubs from 1
  Holder process = 0;

  std::string address() const;
  int pid() const { return static_cast<int>(number_of(process)); }
  // Readable when it has ended. Closed: it has.
  UniqueFd open_pidfd() const;
};

// The one that runs; started if there is none.
HubPlace running_hub();
// The one of a number. Closed: it has ended.
HubPlace known_hub(uint64_t number);

}  // namespace towpath
