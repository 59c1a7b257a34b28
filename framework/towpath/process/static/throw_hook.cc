#include "towpath/process/throw_trace.h"

// The linker's --wrap sends every throw of the program here, its own libstdc++'s as well.
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names.
extern "C" {
[[noreturn]] void __real___cxa_throw(void* object, std::type_info* type, void (*destroy)(void*));
[[noreturn]] void __wrap___cxa_throw(void* object, std::type_info* type, void (*destroy)(void*));
}

void __wrap___cxa_throw(void* object, std::type_info* type, void (*destroy)(void*)) {
  towpath::record_throw(object, type);
  __real___cxa_throw(object, type, destroy);
}
// NOLINTEND(bugprone-reserved-identifier)
