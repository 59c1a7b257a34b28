#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/message/codec.h"
#include "towpath/stage/stage_spec.h"

// The specs of a plugin's stages, in a file beside it: x.so has x.spec. Written when the plugin is
// built, and whenever a scan finds it stale, so that a run knows its stages without running any
// plugin's code.

namespace towpath {

// What a scan found.
struct PluginSpecs {
  std::string abi;
  std::vector<std::string> specs;  // encoded StageSpecs
  TOWPATH_FIELDS(abi, specs)

  std::vector<StageSpec> decode() const;  // Invalid
};

// Names the plugin's build: its build-id, or size and time of change where it has none. Reads the
// file; runs nothing. SystemError, or Invalid when it is no ELF file.
std::string build_key(const std::string& plugin);

std::string sidecar_path(const std::string& plugin);

// The sidecar's content if it was written for this build of the plugin and may be trusted like the
// plugin.
std::optional<PluginSpecs> read_sidecar(const std::string& plugin, std::string_view key);

// Written whole or not at all; SystemError.
void write_sidecar(const std::string& plugin, std::string_view key, const PluginSpecs& specs);

}  // namespace towpath
