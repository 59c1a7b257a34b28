#pragma once
#include <concepts>
#include <memory>
#include <type_traits>

#include "towpath/stage/settings.h"
#include "towpath/stage/stage_spec.h"

// How a plugin names its stages: TOWPATH_STAGE(Class) puts one pointer into the linker section
// "towpath_stages"; nothing runs at load. The loader reads the table.

namespace towpath {

class Stage;
class Source;
class Sink;

// Raised with every change that an old plugin could not survive.
inline constexpr int kStageAbi = 1;

struct StageEntry {
  StageSpec (*describe)();  // with its role set
  // Exactly one of these three is set.
  std::unique_ptr<Stage> (*make_stage)(const Settings&);
  std::unique_ptr<Source> (*make_source)(const Settings&);
  std::unique_ptr<Sink> (*make_sink)(const Settings&);
  Schema (*detect)(const Settings&);  // null unless the spec says detects_columns()
};

struct PluginHead {
  const char* abi;  // abi_tag() of the plugin's build
  const StageEntry* const* first;
  const StageEntry* const* last;
};

// Stage ABI number, compiler ABI, string ABI, sanitizer.
#if defined(__SANITIZE_ADDRESS__)
#define TOWPATH_ABI_SANITIZER "asan"
#elif defined(__SANITIZE_THREAD__)
#define TOWPATH_ABI_SANITIZER "tsan"
#else
#define TOWPATH_ABI_SANITIZER "plain"
#endif
#define TOWPATH_ABI_TEXT_(x) #x
#define TOWPATH_ABI_TEXT(x) TOWPATH_ABI_TEXT_(x)
#define TOWPATH_ABI_TAG                                                                         \
  "towpath-stage-1/cxx-" TOWPATH_ABI_TEXT(__GXX_ABI_VERSION) "/cxx11-string-" TOWPATH_ABI_TEXT( \
      _GLIBCXX_USE_CXX11_ABI) "/" TOWPATH_ABI_SANITIZER

template <class T>
constexpr StageEntry stage_entry() {
  StageEntry entry{};
  if constexpr (std::derived_from<T, Source>) {
    entry.describe = [] { return T::describe().role(Role::kSource); };
    entry.make_source = [](const Settings& s) -> std::unique_ptr<Source> {
      return std::make_unique<T>(s);
    };
  } else if constexpr (std::derived_from<T, Sink>) {
    entry.describe = [] { return T::describe().role(Role::kSink); };
    entry.make_sink = [](const Settings& s) -> std::unique_ptr<Sink> {
      return std::make_unique<T>(s);
    };
  } else {
    static_assert(std::derived_from<T, Stage>,
                  "a stage derives from Stage, RowStage, Source or Sink");
    entry.describe = [] { return T::describe().role(Role::kStage); };
    entry.make_stage = [](const Settings& s) -> std::unique_ptr<Stage> {
      return std::make_unique<T>(s);
    };
  }
  if constexpr (requires(const Settings& s) { T::detect(s); }) {
    entry.detect = [](const Settings& s) -> Schema { return T::detect(s); };
  }
  return entry;
}

}  // namespace towpath

#define TOWPATH_STAGE(Class)                                                                 \
  namespace {                                                                                \
  constinit const ::towpath::StageEntry towpath_entry_of_##Class =                           \
      ::towpath::stage_entry<Class>();                                                       \
  __attribute__((section("towpath_stages"), used, retain))                                   \
  const ::towpath::StageEntry* const towpath_pointer_to_##Class = &towpath_entry_of_##Class; \
  }
