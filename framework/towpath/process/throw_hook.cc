#include <dlfcn.h>

#include "towpath/process/throw_trace.h"

// Stands, by its name for the linker, before libstdc++'s, which it calls. Weak, so that a program
// which has one of its own links, too.
extern "C" void towpath_cxa_throw(void* object, std::type_info* type,
                                  void (*destroy)(void*)) __asm__("__cxa_throw")
    __attribute__((weak, noreturn));

void towpath_cxa_throw(void* object, std::type_info* type, void (*destroy)(void*)) {
  using Throw = void (*)(void*, std::type_info*, void (*)(void*));
  static const auto next = reinterpret_cast<Throw>(::dlsym(RTLD_NEXT, "__cxa_throw"));
  towpath::record_throw(object, type);
  next(object, type, destroy);
  __builtin_unreachable();
}
