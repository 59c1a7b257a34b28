#include "towpath/base/log.h"

#include <unistd.h>

#include <atomic>
#include <mutex>

#include "towpath/base/format.h"

namespace towpath {
namespace {

std::atomic<int> log_fd{STDERR_FILENO};
std::atomic<Level> lowest_level{Level::kInfo};
std::mutex name_mutex;
// Never destroyed: what ends at exit may still log.
std::string& log_name() {
  static auto* const name = new std::string;
  return *name;
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kWarning:
      return "WARNING";
    case Level::kError:
      return "ERROR";
  }
  return "?";
}

void log(Level level, std::string_view text) {
  if (level < lowest_level.load(std::memory_order_relaxed)) return;
  std::string line;
  {
    const std::lock_guard lock(name_mutex);
    line = log_name().empty() ? format("[{}] {}\n", level_name(level), text)
                              : format("[{}/{}] {}\n", level_name(level), log_name(), text);
  }
  // A log that can't be written has nowhere to say so.
  [[maybe_unused]] const ssize_t written = ::write(log_fd.load(), line.data(), line.size());
}

void set_log_fd(int fd) { log_fd = fd; }
void set_log_level(Level level) { lowest_level = level; }
Level log_level() { return lowest_level; }
void set_log_name(std::string_view name) {
  const std::lock_guard lock(name_mutex);
  log_name() = name;
}

Logger log_to_stderr(std::optional<Level> level) {
  set_log_fd(STDERR_FILENO);
  if (level) set_log_level(*level);
  return {};
}

}  // namespace towpath
