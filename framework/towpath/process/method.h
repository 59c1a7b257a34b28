#pragma once
#include <cstdint>
#include <string_view>

namespace towpath {

// How a child begins.
//
//   kForkserver  a clean, single-threaded server that runs this program's file forks on request.
//                Cheap, and safe in programs with threads.
//   kSpawn       the program's file is executed afresh. The slowest, and shares nothing.
//   kFork        a copy of this process. Unsupported once the process has threads: one that holds
//                a lock (malloc's, say) does not exist in the child, where the lock stays locked.
enum class Method : uint8_t { kForkserver, kSpawn, kFork };

std::string_view method_name(Method method);  // "forkserver", "spawn", "fork"
Method parse_method(std::string_view name);   // Invalid names the three

}  // namespace towpath
