#pragma once
#include <string>

#include "towpath/process/method.h"

namespace towpath {

// "MainProcess" in the program itself; in a child the name of its Process object.
std::string current_process_name();

// Process id of the process that started this one by Process; 0 in the program itself.
int parent_pid();

// Readable (hung up) once the process that started this one has ended; -1 in the program itself.
// For loops that want to end in order: the kernel kills a child of a dead parent in any case.
int parent_sentinel();

// The start method of a Process that names none. A child begins with its parent's.
Method default_start_method();
void set_default_start_method(Method method);

}  // namespace towpath
