#pragma once
#include <cstddef>

namespace towpath {

// How many threads this process has now: with one, it may be forked.
size_t count_threads();

// The same once it is sure: the kernel may show a thread for a moment after it was joined.
size_t count_threads_that_stay();

}  // namespace towpath
