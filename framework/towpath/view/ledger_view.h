#pragma once
#include <string>

#include "towpath/message/object.h"
#include "towpath/observe/snapshot.h"

namespace towpath {

// The closing ledger as a table:
//
//   stage   workers  restarts  leases      in     out  filtered  rejected    bytes
std::string show_ledger(const Snapshot& ledger);

// The same as one object: {run, status, seconds, stages: [{name, workers, restarts, leases, in,
// out, filtered, rejected, bytes}], …}.
Object ledger_object(const Snapshot& ledger);

}  // namespace towpath
