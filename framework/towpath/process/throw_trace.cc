#include "towpath/process/throw_trace.h"

#include <cxxabi.h>
#include <link.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

// Of libbacktrace, which comes with g++; its header lies where other compilers and tools don't
// look. Source: https://github.com/ianlancetaylor/libbacktrace/blob/master/backtrace.h
extern "C" {
struct backtrace_state;
using backtrace_error_callback = void (*)(void* data, const char* message, int error_number);
using backtrace_full_callback = int (*)(void* data, uintptr_t pc, const char* file, int line,
                                        const char* function);
using backtrace_syminfo_callback = void (*)(void* data, uintptr_t pc, const char* symbol,
                                            uintptr_t value, uintptr_t size);
backtrace_state* backtrace_create_state(const char* file, int threaded,
                                        backtrace_error_callback failed, void* data);
int backtrace_pcinfo(backtrace_state* state, uintptr_t pc, backtrace_full_callback found,
                     backtrace_error_callback failed, void* data);
int backtrace_syminfo(backtrace_state* state, uintptr_t pc, backtrace_syminfo_callback found,
                      backtrace_error_callback failed, void* data);
}

namespace towpath {
namespace {

constexpr size_t kMaxFrames = 32;
constexpr size_t kOwnFrames = 2;  // record_throw() and __cxa_throw

// The last throw of a thread that records. Plain data: the hook runs while an exception is under
// way, perhaps for want of memory.
struct Throw {
  const void* within = nullptr;  // frames below this place of the stack; null: none
  const void* object = nullptr;
  const std::type_info* type = nullptr;
  size_t skip = 0;
  size_t frames = 0;
  std::array<uintptr_t, kMaxFrames> at{};
};
thread_local Throw last;

_Unwind_Reason_Code add_frame(_Unwind_Context* context, void*) {
  // The unwinder tells where the frame's callee begins. So the first that begins above is the
  // caller of the frame that holds the object, which is not wanted either.
  if (_Unwind_GetCFA(context) > reinterpret_cast<uintptr_t>(last.within)) {
    if (last.frames > 0) --last.frames;
    return _URC_END_OF_STACK;
  }
  if (last.skip > 0) {
    --last.skip;
    return _URC_NO_REASON;
  }
  if (last.frames == kMaxFrames) return _URC_END_OF_STACK;
  int before_instruction = 0;
  const uintptr_t place = _Unwind_GetIPInfo(context, &before_instruction);
  // A return address is behind the call, which may be another line.
  if (place != 0) last.at[last.frames++] = before_instruction != 0 ? place : place - 1;
  return _URC_NO_REASON;
}

void ignore_error(void*, const char*, int) {}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

struct Lines {
  std::string text;
  size_t wanted = 0;   // of the text: up to the last frame that is not the standard library's
  bool ended = false;  // the rest is how the process came to run the function
  bool found() const { return !text.empty() || ended; }
};

// How many modules were loaded and unloaded so far.
struct Loads {
  unsigned long long added = 0;
  unsigned long long removed = 0;
  bool operator==(const Loads&) const = default;
};

Loads loads() {
  Loads all;
  ::dl_iterate_phdr(
      [](dl_phdr_info* module, size_t, void* data) {
        *static_cast<Loads*>(data) = {module->dlpi_adds, module->dlpi_subs};
        return 1;
      },
      &all);
  return all;
}

// What Towpath calls functions by: a task of a pool, a child's target, a manager's method or
// update. In the debug information of what is local to a file a name is as the compiler shows it.
constexpr std::array kCallers{"towpath5pools6invoke", "towpath5calls5thunk",
                              "towpath7managed8MethodOf", "towpath::managed::MethodOf",
                              "towpath7managed12update_thunk"};
// Or has nothing of its surroundings.
constexpr std::array kCallersFiles{"towpath/process/signature.h", "towpath/process/target.h",
                                   "towpath/shared/exposes.h", "towpath/shared/remote_update.h"};

int add_line(void* data, uintptr_t, const char* file, int line, const char* function) {
  auto& lines = *static_cast<Lines*>(data);
  if (function == nullptr) return 0;
  const std::string_view name(function);
  const std::string_view in(file == nullptr ? "" : file);
  const auto is_in = [&in](const char* own) { return in.ends_with(own); };
  const auto is_named = [&name](const char* own) { return name.find(own) != name.npos; };
  if (std::ranges::any_of(kCallers, is_named) || std::ranges::any_of(kCallersFiles, is_in)) {
    lines.ended = true;
    lines.text.resize(lines.wanted);  // without std::apply and its kin
    return 1;
  }
  // A sanitizer's stands before ours.
  if (name.starts_with("__interceptor") || name.starts_with("__cxa_throw")) return 0;
  if (!lines.text.empty()) lines.text += "\n";
  lines.text += "  at " + demangled(function);
  if (file != nullptr) lines.text += format(" ({}:{})", file, line);
  if (in.find("/include/c++/") == in.npos) lines.wanted = lines.text.size();
  return 0;
}

void add_symbol(void* data, uintptr_t place, const char* symbol, uintptr_t, uintptr_t) {
  add_line(data, place, nullptr, 0, symbol);
}

// What libbacktrace tells of this process's places. It lists the modules at its first answer and
// frees nothing, so it is asked anew only where that may help.
class Symbols {
 public:
  Lines lines_at(uintptr_t place, const Loads& now) {
    // What was unloaded has left its place to others.
    if (state_ == nullptr || of_.removed != now.removed) begin(now);
    Lines lines = ask(place);
    if (lines.found() || of_ == now) return lines;
    begin(now);
    return ask(place);
  }

 private:
  void begin(const Loads& now) {
    state_ = ::backtrace_create_state(nullptr, 1, &ignore_error, nullptr);
    of_ = now;
  }
  Lines ask(uintptr_t place) const {
    Lines lines;
    ::backtrace_pcinfo(state_, place, &add_line, &ignore_error, &lines);
    // A module without debug information: the function's name at least.
    if (!lines.found()) ::backtrace_syminfo(state_, place, &add_symbol, &ignore_error, &lines);
    return lines;
  }

  backtrace_state* state_ = nullptr;
  Loads of_;
};

std::string bare_line(const CodeAddress& frame) {
  const std::string module = frame.module.empty() ? "the executable" : frame.module;
  return format("  at {} + {:#x}", module, frame.offset);
}

}  // namespace

// Neither inlined nor left before its end, so that the number of frames between it and the throw is
// known.
__attribute__((noinline)) void record_throw(const void* object, const std::type_info* type) {
  if (last.within == nullptr) return;
  last.object = object;
  last.type = type;
  last.skip = kOwnFrames;
  last.frames = 0;
  _Unwind_Backtrace(&add_frame, nullptr);
  asm volatile("");
}

RecordThrows::RecordThrows() : outer_(last.within) {
  last.within = this;
  last.type = nullptr;
}
RecordThrows::~RecordThrows() { last.within = outer_; }

std::vector<CodeAddress> throw_frames(const void* exception, const std::type_info& type) {
  std::vector<CodeAddress> frames;
  if (last.type == nullptr || *last.type != type) return frames;
  if (exception != nullptr && exception != last.object) return frames;
  // To find a place's module takes longer than the throw, and tasks throw where they have thrown.
  thread_local std::unordered_map<uintptr_t, CodeAddress> known;
  for (size_t i = 0; i < last.frames; ++i) {
    auto found = known.find(last.at[i]);
    if (found == known.end()) {
      try {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the unwinder tells places as numbers.
        const auto* place = reinterpret_cast<const void*>(last.at[i]);
        found = known.emplace(last.at[i], locate_code(place)).first;
      } catch (const Invalid&) {
        continue;  // code that was made at run time
      }
    }
    frames.push_back(found->second);
  }
  return frames;
}

std::string lines_of(const std::vector<CodeAddress>& frames) {
  static std::mutex mutex;
  static Symbols symbols;
  static std::map<std::pair<std::string, uint64_t>, Lines> known;
  static Loads of;
  const std::lock_guard lock(mutex);
  // What was not found may be in a module that was loaded since.
  if (const Loads now = loads(); now != of) {
    std::erase_if(known, [](const auto& each) { return !each.second.found(); });
    of = now;
  }
  std::string text;
  for (const CodeAddress& frame : frames) {
    const std::pair key(frame.stamp, frame.offset);
    auto found = known.find(key);
    if (found == known.end()) {
      // None: a library that is loaded there and not here.
      const auto place = reinterpret_cast<uintptr_t>(find_code(frame));
      found = known.emplace(key, place == 0 ? Lines() : symbols.lines_at(place, of)).first;
    }
    const Lines& lines = found->second;
    const std::string line = lines.found() ? lines.text : bare_line(frame);
    if (!text.empty() && !line.empty()) text += "\n";
    text += line;
    if (lines.ended) break;
  }
  return text;
}

}  // namespace towpath
