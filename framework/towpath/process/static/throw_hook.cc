#include "towpath/process/throw_trace.h"

// The linker's --wrap sends every throw of the program here, its own libstdc++'s as well.
extern "C" {
// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's names.
[[noreturn]] void __real___cxa_throw(void* object, std::type_info* type, void (*destroy)(void*));
[[noreturn]] void __wrap___cxa_throw(void* object, std::type_info* type, void (*destroy)(void*));
}

// NOLINTNEXTLINE(bugprone-reserved-identifier)
void __wrap___cxa_throw(void* object, std::type_info* type, void (*destroy)(void*)) {
  towpath::record_throw(object, type);
  __real___cxa_throw(object, type, destroy);
}
