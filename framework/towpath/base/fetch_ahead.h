#pragma once

namespace towpath {

// Asks for a line of memory before it is needed, so that another core's caches give it up
// meanwhile. A hint: it never faults, and changes nothing.

inline void fetch_to_read(const void* at) { __builtin_prefetch(at, 0); }

// For oneself alone: a store need not wait for that then.
inline void fetch_to_write(const void* at) {
#if defined(__x86_64__)
  // What g++ makes of __builtin_prefetch(at, 1) unless it is told of the processor fetches to read.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace towpath
