#pragma once

namespace towpath {

// Raises this process's soft limit of descriptors to what a run with so many workers takes, if need
// be: ZeroMQ aborts the process that has none left for a new connection. Invalid when the hard
// limit is below that. Children inherit the limit.
void make_sure_of_descriptors(int workers);

}  // namespace towpath
