#pragma once
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

// Bytes of a process that are in memory.
inline uint64_t resident_bytes(int pid = ::getpid()) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Sanitizers keep what was freed: of growth the figure above says nothing then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kKeepsFreedMemory = true;
#else
inline constexpr bool kKeepsFreedMemory = false;
#endif
