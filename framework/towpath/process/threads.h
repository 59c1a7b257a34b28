#pragma once
#include <cstddef>

namespace towpath {

// How many threads this process has now: with one, it may be forked.
size_t count_threads();

}  // namespace towpath
