#pragma once
#include <string_view>

namespace towpath {

// What to do when the system refuses one more process or thread (EAGAIN); to stand in the error's
// text, before the system's own.
inline constexpr std::string_view kRaiseProcessLimit =
    "raise the limit of processes, which counts threads, too (ulimit -u, and pids.max of its "
    "cgroup), or end other programs";

}  // namespace towpath
