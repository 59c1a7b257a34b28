#include "towpath/process/throw_trace.h"

#include <backtrace.h>
#include <cxxabi.h>
#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr size_t kMaxFrames = 48;

// Of the last throw of a thread that records. Plain data: the hook runs while an exception is
// under way, perhaps for want of memory.
struct Throw {
  bool recording = false;
  const void* object = nullptr;
  const std::type_info* type = nullptr;
  size_t frames = 0;
  std::array<uintptr_t, kMaxFrames> at{};
};
thread_local Throw last;

void ignore_error(void*, const char*, int) {}

// Reads the debug information of the modules once, and keeps it.
backtrace_state* debug_information() {
  static backtrace_state* const state =
      ::backtrace_create_state(nullptr, 1, &ignore_error, nullptr);
  return state;
}

// Not inlined, so that the number of frames between it and the throw is known.
__attribute__((noinline)) void record(const void* object, const std::type_info* type) {
  last.object = object;
  last.type = type;
  last.frames = 0;
  ::backtrace_simple(
      debug_information(), 1,
      [](void*, uintptr_t pc) {
        if (last.frames == kMaxFrames || pc == ~uintptr_t{0}) return 1;
        last.at[last.frames++] = pc;
        return 0;
      },
      &ignore_error, nullptr);
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

struct Lines {
  std::string text;
  bool ended = false;  // the rest is how the process came to run the task
};

int add_line(void* data, uintptr_t, const char* file, int line, const char* function) {
  auto& lines = *static_cast<Lines*>(data);
  const std::string name = function == nullptr ? "?" : demangled(function);
  // From here outward it is Towpath's own calling of it.
  if (name.starts_with("towpath::pool::invoke") || name.starts_with("towpath::call::")) {
    lines.ended = true;
  }
  if (lines.ended) return 1;
  // A sanitizer's stands before ours.
  if (name.starts_with("__interceptor") || name.starts_with("__cxa_throw")) return 0;
  if (!lines.text.empty()) lines.text += "\n";
  lines.text += "  at " + name;
  if (file != nullptr) lines.text += format(" ({}:{})", file, line);
  return 0;
}

void add_symbol(void* data, uintptr_t pc, const char* symbol, uintptr_t, uintptr_t) {
  add_line(data, pc, nullptr, 0, symbol);
}

}  // namespace

RecordThrows::RecordThrows() : outer_(last.recording) {
  debug_information();
  last.recording = true;
  last.type = nullptr;
}
RecordThrows::~RecordThrows() { last.recording = outer_; }

std::string throw_trace(const void* exception, const std::type_info& type) {
  if (last.type == nullptr || *last.type != type) return {};
  if (exception != nullptr && exception != last.object) return {};
  Lines lines;
  for (size_t i = 0; i < last.frames && !lines.ended; ++i) {
    const size_t before = lines.text.size();
    ::backtrace_pcinfo(debug_information(), last.at[i], &add_line, &ignore_error, &lines);
    const bool unknown =
        std::string_view(lines.text).substr(before).find("at ?") != std::string::npos;
    if (lines.ended || (lines.text.size() != before && !unknown)) continue;
    lines.text.resize(before);
    // A module without debug information: the function's name at least.
    ::backtrace_syminfo(debug_information(), last.at[i], &add_symbol, &ignore_error, &lines);
  }
  return lines.text;
}

}  // namespace towpath

// Stands before libstdc++'s, which it calls. Weak: in a program that is linked statically as a
// whole libstdc++'s own is taken, and there are no traces.
extern "C" __attribute__((weak, noreturn)) void __cxa_throw(void* object, void* type,
                                                            void (*destroy)(void*)) {
  using Throw = void (*)(void*, void*, void (*)(void*));
  static const auto next = reinterpret_cast<Throw>(::dlsym(RTLD_NEXT, "__cxa_throw"));
  if (towpath::last.recording) towpath::record(object, static_cast<const std::type_info*>(type));
  next(object, type, destroy);
  __builtin_unreachable();
}
