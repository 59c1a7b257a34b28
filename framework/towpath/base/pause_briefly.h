#pragma once

namespace towpath {

// Between two looks at a word that another thread is about to change: some tens of nanoseconds, in
// which the core is left to its other thread.
inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace towpath
