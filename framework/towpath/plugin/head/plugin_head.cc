#include "towpath/stage/registration.h"

// Linked once into every plugin, and into every program that has stages of its own; not into
// libtowpath. Hands out the table that TOWPATH_STAGE fills. The linker makes the two symbols;
// hidden, so that each module sees its own table; weak, because a program may have no stage.

extern "C" {

extern const towpath::StageEntry* const __start_towpath_stages[]
    __attribute__((weak, visibility("hidden")));
extern const towpath::StageEntry* const __stop_towpath_stages[]
    __attribute__((weak, visibility("hidden")));

__attribute__((visibility("default"))) const towpath::PluginHead* towpath_plugin();

const towpath::PluginHead* towpath_plugin() {
  static constexpr char kTag[] = TOWPATH_ABI_TAG;
  static const towpath::PluginHead head = {kTag, __start_towpath_stages, __stop_towpath_stages};
  return &head;
}
}
