#pragma once
#include <string>
#include <string_view>

namespace towpath {

enum class Level { kDebug, kInfo, kWarning, kError };

// Writes one line, "LEVEL/process-name text", in one write(2) to the log's descriptor, so lines of
// several processes never mix. Thread-safe.
void log(Level level, std::string_view text);

// Where log() writes: standard error until told otherwise. The log does not own the descriptor.
void set_log_fd(int fd);
// Lines below this level are dropped; kInfo at first.
void set_log_level(Level level);
// The name that log lines carry, e.g. "sales/clean#2"; empty shows none.
void set_log_name(std::string_view name);

}  // namespace towpath
