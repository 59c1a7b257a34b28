#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace towpath {

enum class Level { kDebug, kInfo, kWarning, kError };

std::string_view level_name(Level level);  // "DEBUG", "INFO", "WARNING", "ERROR"

// Writes one line, "[LEVEL/process-name] text", in one write(2) to the log's descriptor, so lines
// of several processes never mix. Thread-safe.
void log(Level level, std::string_view text);

// Where log() writes: standard error until told otherwise. The log does not own the descriptor.
void set_log_fd(int fd);
// Lines below this level are dropped; kInfo at first. A child process begins with its parent's.
void set_log_level(Level level);
Level log_level();
// The name that log lines carry, e.g. "sales/clean#2"; empty shows none.
void set_log_name(std::string_view name);

// The log of this process as an object, for those who know Python's loggers. There is one log a
// process, whoever asks for it.
class Logger {
 public:
  void debug(std::string_view text) const { log(Level::kDebug, text); }
  void info(std::string_view text) const { log(Level::kInfo, text); }
  void warning(std::string_view text) const { log(Level::kWarning, text); }
  void error(std::string_view text) const { log(Level::kError, text); }
  void set_level(Level level) const { set_log_level(level); }
  Level level() const { return log_level(); }
};

// Source: Python's multiprocessing.get_logger and log_to_stderr. There the logger is mute until
// log_to_stderr() is called; here it writes to standard error from the beginning, what is kInfo and
// above. The library itself tells of starts and ends of processes as kDebug.
inline Logger get_logger() { return {}; }
// From now on to standard error, what is `level` and above; without one, the level stays as it is.
Logger log_to_stderr(std::optional<Level> level = std::nullopt);

}  // namespace towpath
