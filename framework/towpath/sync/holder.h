#pragma once
#include <cstdint>

namespace towpath {

// Who holds a lock, in one word that names a process or thread once and for all: its number in the
// low 30 bits, the low 32 bits of its start time (ticks since the machine started) in the high
// half. A number that is given out again comes with another start time. 0: nobody.
//
// Cost       a few nanoseconds; the first call of a process or thread reads /proc. Right in a child
//            of fork(), too.
// Limits     the processes must see each other in /proc, by the same numbers.
using Holder = uint64_t;

inline constexpr uint64_t kHolderNumber = (uint64_t{1} << 30) - 1;

Holder this_process();
Holder this_thread();
inline uint32_t number_of(Holder holder) { return static_cast<uint32_t>(holder & kHolderNumber); }

// A zombie has ended. False when it can't be told.
bool process_ended(Holder process);
bool thread_ended(Holder thread);

}  // namespace towpath
