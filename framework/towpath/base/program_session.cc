#include "towpath/base/program_session.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/handle.h"
#include "towpath/base/process_hooks.h"
#include "towpath/base/shared_folder.h"

namespace towpath {
namespace {

constexpr char kPrefix = 's';

struct State {
  std::mutex mutex;
  std::string id;
  std::optional<SharedFolder> folder;
  std::optional<Session> session;
};

// Never destroyed: statics of other files may end later.
State& state() {
  static auto* const it = new State;
  return *it;
}

// Call it with the mutex held.
const std::string& chosen_id(State& s) {
  if (s.id.empty()) {
    uint32_t random = 0;  // a process id is given out again
    if (::getrandom(&random, sizeof random, 0) != sizeof random) throw_errno("getrandom(4)");
    s.id = format("{}{}-{:08x}", kPrefix, ::getpid(), random);
  }
  return s.id;
}

bool is_file_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && text.front() != '.' &&
         std::ranges::none_of(text, [](char c) { return c == '/' || c == '\0'; });
}

// The session's folder, which a keeper watches from its first moment on.
SharedFolder enter_kept(const std::string& path, const ProcessHooks& hooks) {
  SharedFolder folder = SharedFolder::enter(path);
  if (!folder.made()) return folder;
  try {
    hooks.keep_folder(path);
  } catch (...) {
    // The next one to try has to make it, too, and have it kept.
    { const SharedFolder ended = std::move(folder); }
    SharedFolder::remove_if_unused(path);
    throw;
  }
  return folder;
}

}  // namespace

const Session& program_session() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (!s.session) {
    const ProcessHooks& hooks = process_hooks("what is shared by name");
    const std::string root = shared_root();
    if (::mkdir(root.c_str(), 0700) != 0 && errno != EEXIST)
      throw_errno(format("mkdir({}, 0700)", root));
    if (!is_private_folder(root)) {
      throw Invalid(format(
          "{} is not a folder that belongs to this user alone: what is shared by name can't lie "
          "there; have it removed",
          root));
    }
    SharedFolder folder = enter_kept(format("{}/{}", root, chosen_id(s)), hooks);
    s.session.emplace(folder.path());
    s.folder.emplace(std::move(folder));
  }
  return *s.session;
}

std::string program_session_id() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return chosen_id(s);
}

void adopt_program_session(std::string id) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (id == s.id) return;  // inherited by fork
  expect(s.id.empty(), "adopt_program_session: this process has a session already");
  s.id = std::move(id);
}

std::string shared_root() { return format("/dev/shm/towpath-{}", ::geteuid()); }

void sweep_shared_root() noexcept {
  try {
    SharedFolder::sweep(shared_root(), kPrefix);
  } catch (const std::exception&) {
    // Out of memory: the next program sweeps.
  }
}

Handle Handle::parse(std::string_view text) {
  const size_t slash = text.find('/');
  Handle handle;
  if (slash != text.npos) {
    handle = {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
  }
  if (!is_file_name(handle.session) || handle.session.front() != kPrefix ||
      !is_file_name(handle.name)) {
    throw Invalid(format("\"{}\" is not the handle of something shared by name", text));
  }
  return handle;
}

std::string Handle::path() const { return format("{}/{}/{}", shared_root(), session, name); }

}  // namespace towpath
