#include "towpath/sync/holder.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>

#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

namespace towpath {
namespace {

std::atomic<Holder> process{0};
thread_local Holder thread = 0;

// The only thread of a forked child is the one that forked.
void forget_parent() {
  process = 0;
  thread = 0;
}

struct Stat {
  bool zombie = false;
  uint64_t threads = 0;
  uint64_t start = 0;
};

// None: there is no such process or thread (errno is ENOENT or ESRCH), or it can't be read.
std::optional<Stat> read_stat(const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::array<char, 1024> buffer;
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got <= 0) return std::nullopt;
  std::string_view text(buffer.data(), static_cast<size_t>(got));
  // Its name, in parentheses, may hold anything; behind it is field 3, one blank between fields.
  text.remove_prefix(text.rfind(')') + 2);
  Stat stat;
  stat.zombie = text.front() == 'Z' || text.front() == 'X';
  for (int field = 3; field <= 22; ++field) {
    const size_t blank = text.find(' ');
    const auto into = [word = text.substr(0, blank)](uint64_t& number) {
      std::from_chars(word.begin(), word.end(), number);
    };
    if (field == 20) into(stat.threads);
    if (field == 22) into(stat.start);
    text.remove_prefix(blank + 1);
  }
  return stat;
}

Holder identify(int number, const char* path) {
  [[maybe_unused]] static const int registered = ::pthread_atfork(nullptr, nullptr, &forget_parent);
  const std::optional<Stat> stat = read_stat(path);
  if (!stat) throw_errno(path);
  return stat->start << 32 | static_cast<uint32_t>(number);
}

enum class What { kProcess, kThread };

bool ended(Holder holder, What what) {
  std::array<char, 32> path;
  (void)std::snprintf(path.data(), path.size(), "/proc/%u/stat", number_of(holder));
  errno = 0;
  const std::optional<Stat> stat = read_stat(path.data());
  if (!stat) {
    // Without /proc nobody is there, and all may live.
    return (errno == ENOENT || errno == ESRCH) && ::access("/proc/self/stat", F_OK) == 0;
  }
  if (static_cast<uint32_t>(stat->start) != static_cast<uint32_t>(holder >> 32)) return true;
  // A main thread that has ended is a zombie as long as others of its process run.
  return stat->zombie && (what == What::kThread || stat->threads <= 1);
}

}  // namespace

Holder this_process() {
  const Holder known = process.load(std::memory_order_relaxed);
  if (known != 0) return known;
  const Holder found = identify(::getpid(), "/proc/self/stat");
  process.store(found, std::memory_order_relaxed);
  return found;
}

Holder this_thread() {
  if (thread == 0) thread = identify(::gettid(), "/proc/thread-self/stat");
  return thread;
}

bool process_ended(Holder it) { return ended(it, What::kProcess); }
bool thread_ended(Holder it) { return ended(it, What::kThread); }

}  // namespace towpath
