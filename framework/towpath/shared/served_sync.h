#pragma once
#include "towpath/shared/referent.h"

// The primitives of sync/ as a manager serves them: for clients on other hosts, too. What a client
// holds when its process ends comes back, and the next to get it is told.

namespace towpath::managed {

const ObjectType& lock_type();
const ObjectType& rlock_type();
const ObjectType& semaphore_type();
const ObjectType& event_type();
const ObjectType& condition_type();
const ObjectType& barrier_type();

}  // namespace towpath::managed
