#include "towpath/host/plugin_child.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"
#include "towpath/base/write_all.h"
#include "towpath/host/host.h"
#include "towpath/plugin/loader.h"
#include "towpath/process/process.h"

namespace towpath {
namespace {

constexpr Millis kPatience{120'000};  // a detector may read a megabyte from a slow disk

// What a child answers: the bytes, or why there are none.
struct Answer {
  bool ok = false;
  std::string bytes;
  TOWPATH_FIELDS(ok, bytes)
};

template <class F>
void answer(Descriptor out, F work) {
  const UniqueFd fd(out.fd);
  Answer answer;
  try {
    answer = {true, work()};
  } catch (const std::exception& error) {
    answer = {false, error.what()};
  }
  write_all(fd.get(), to_bytes(answer), "the answer to the planner");
}

std::string read_all(int fd, const std::string& what) {
  const Deadline deadline(kPatience);
  std::string bytes;
  char piece[16384];
  while (true) {
    pollfd ready{fd, POLLIN, 0};
    const int count = ::poll(&ready, 1, deadline.poll_timeout());
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) {
      throw Invalid(
          format("{}: its code did not answer within {} s; is a file or a disk it reads "
                 "out of reach?",
                 what, kPatience.count() / 1000));
    }
    if (count < 0) throw_errno("poll(answer of a plugin's process)");
    const ssize_t got = ::read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read(answer of a plugin's process)");
    if (got == 0) return bytes;
    bytes.append(piece, static_cast<size_t>(got));
  }
}

template <class F, class... A>
std::string ask_child(const std::string& what, F target, A&&... arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2");
  UniqueFd from_child(ends[0]), to_us(ends[1]);
  Options options;
  options.name = what;
  options.daemon = true;
  Process child(options, target, Descriptor{to_us.get()}, std::forward<A>(arguments)...);
  child.start();
  // The process object may hold the descriptor until it is started; ours must not keep the pipe
  // open.
  to_us.reset();
  const std::string bytes = read_all(from_child.get(), what);
  child.join();
  if (bytes.empty()) {
    throw Invalid(format("{}: its code ended the process by {}", what,
                         show_exit(child.exitcode().value_or(0))));
  }
  if (child.exitcode() != 0) {
    throw Invalid(format("{}: its code ended the process by {} while it answered", what,
                         show_exit(child.exitcode().value_or(0))));
  }
  Answer answer = from_bytes<Answer>(bytes);
  if (!answer.ok) throw Invalid(answer.bytes);
  return std::move(answer.bytes);
}

void scan_child(Descriptor out, std::string plugin) {
  answer(out, [&plugin] { return scan_plugin(plugin); });
}

void detect_child(Descriptor out, std::string plugin, std::string kind, Object values,
                  Settings::Context context) {
  answer(out, [&] { return to_bytes(detect_schema(plugin, kind, Settings(values, context))); });
}

}  // namespace

PluginScan load_catalogue() {
  return scan_plugins(plugin_folders(), [](const std::string& plugin) {
    return ask_child(plugin, scan_child, plugin);
  });
}

Schema detect_in_child(const Catalogue::Entry& entry, const Settings& settings) {
  return from_bytes<Schema>(ask_child(entry.spec.kind(), detect_child, entry.plugin,
                                      entry.spec.kind(), settings.values(), settings.context()));
}

}  // namespace towpath
