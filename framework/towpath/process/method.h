#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

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

// The default comes first. All three work on every Linux; Python's list depends on the system.
std::vector<Method> get_all_start_methods();

// The start method of a Process that names none. A child begins with its parent's. Any thread.
Method get_start_method();
// For the program to choose its default, once, early in main. Invalid the second time in a process,
// unless `force`: what was started before was started otherwise. A Process, a Pool or a Context
// with a method of its own doesn't ask for the default.
// Source: Python's multiprocessing.set_start_method. There the first use of the default sets it,
// too; here only this call does.
void set_start_method(Method method, bool force = false);
void set_start_method(std::string_view name, bool force = false);

}  // namespace towpath
