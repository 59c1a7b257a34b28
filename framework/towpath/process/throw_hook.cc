#include <dlfcn.h>

#include "towpath/process/throw_trace.h"

// Stands, by its name for the linker, before libstdc++'s, which it calls. A program that has such a
// hook of its own links all the same. Its throws then go to its own, and are recorded only if that
// calls the next one; those of this library, which -Bsymbolic-functions binds to this hook, go from
// here to what is behind the library, not by the program's. (That it is weak says nothing of a
// shared library: it serves a program that holds these objects themselves.)
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
