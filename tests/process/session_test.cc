// The session of a program: one for all its processes, and nothing of it is left behind.
#include <sys/inotify.h>
#include <sys/syscall.h>

#include <catch2/catch.hpp>
#include <cstdio>

#include "helpers.h"
#include "towpath/base/program_session.h"
#include "towpath/memory/shared_memory.h"

using namespace towpath;

namespace {

std::filesystem::path program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "process_with_session";
}

// The program of with_session/main.cc, running.
class Program {
 public:
  explicit Program(Method method, const std::string& more = "") {
    const std::string command =
        "exec " + program().string() + " " + std::string(method_name(method)) + " " + more;
    out_ = ::popen(command.c_str(), "r");
    if (out_ == nullptr) throw_errno("popen");
    folder = line();
    pid = std::stoi(line());
    child = std::stoi(line());
  }
  Program(const Program&) = delete;
  ~Program() {
    ::kill(pid, SIGKILL);
    ::pclose(out_);
  }
  std::string line() {
    char text[256] = "";
    REQUIRE(std::fgets(text, sizeof text, out_) != nullptr);
    return std::string(text, std::string_view(text).find('\n'));
  }
  // Its child was the first to share by name, so the keeper is that one's child. 0: there is none.
  int keeper() const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string path = entry.path();
      if (file_text(path + "/cmdline").find("keeper") == std::string::npos) continue;
      const std::string stat = file_text(path + "/stat");
      const size_t state = stat.rfind(") ");  // ") S PARENT "
      if (state != std::string::npos && std::stoi(stat.substr(state + 4)) == child)
        return std::stoi(entry.path().filename());
    }
    return 0;
  }

  std::string folder;
  int pid = 0;
  int child = 0;

 private:
  FILE* out_;
};

// Tells when a folder is no more.
class Watch {
 public:
  explicit Watch(const std::string& folder)
      : folder_(folder), events_(::inotify_init1(IN_CLOEXEC)) {
    ::inotify_add_watch(events_.get(), folder.c_str(), IN_MOVE_SELF | IN_DELETE_SELF);
  }
  bool gone(Millis timeout) const {
    if (std::filesystem::exists(folder_)) wait_readable(events_.get(), timeout);
    return !std::filesystem::exists(folder_);
  }

 private:
  std::string folder_;
  UniqueFd events_;
};

void report_memory(Descriptor up) {
  const SharedMemory memory = SharedMemory::create(8);
  memory.buf()[0] = std::byte{42};
  send_packet(up.fd, memory.handle().text());
  receive_packet(up.fd, kSoon);  // until it was opened
}

void be_between(Descriptor up, Method method) {
  Process inner(Options{.method = method}, &report_memory, up);
  inner.start();
  inner.join();
}

}  // namespace

TEST_CASE("Session: a program and all below it have the same one") {
  for (const Method outer : methods()) {
    for (const Method inner : {Method::kForkserver, Method::kSpawn, Method::kFork}) {
      CAPTURE(method_name(outer), method_name(inner));
      auto [mine, its] = packet_pair();
      Process process(Options{.daemon = true, .method = outer}, &be_between, Descriptor{its.get()},
                      inner);
      process.start();
      const std::optional<Packet> packet = receive_packet(mine.get(), kSoon);
      REQUIRE(packet);
      const Handle handle = Handle::parse(packet->bytes);
      CHECK(handle.session == program_session_id());
      CHECK(SharedMemory::open(handle).buf()[0] == std::byte{42});
      send_packet(mine.get(), "opened");
      REQUIRE(process.join(kSoon));
      CHECK(process.exitcode() == 0);
    }
  }
}

TEST_CASE("Session: kill -9 of a program leaves no file") {
  for (const Method method : {Method::kForkserver, Method::kSpawn, Method::kFork}) {
    CAPTURE(method_name(method));
    const Program killed(method);
    REQUIRE(std::filesystem::exists(killed.folder));
    const Watch watch(killed.folder);
    ::kill(killed.child, SIGKILL);
    CHECK_FALSE(watch.gone(Millis{0}));
    ::kill(killed.pid, SIGKILL);
    CHECK(watch.gone(kSoon));
  }
}

TEST_CASE("Session: the hub of a killed program ends with it and no sooner") {
  Program killed(Method::kForkserver, "hub");
  const int hub = std::stoi(killed.line());
  const UniqueFd ended(static_cast<int>(::syscall(SYS_pidfd_open, hub, 0)));
  REQUIRE(ended);
  const Watch watch(killed.folder);
  // What reaches a terminal's processes does not reach the hub.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::kill(hub, signal);
  ::kill(killed.child, SIGKILL);
  CHECK_FALSE(wait_readable(ended.get(), Millis{50}));
  ::kill(killed.pid, SIGKILL);
  CHECK(wait_readable(ended.get(), kSoon));
  CHECK(watch.gone(kSoon));
}

TEST_CASE("Session: what a program left whose keeper was killed is swept by the next one") {
  const Program killed(Method::kForkserver);
  const Program living(Method::kForkserver);
  const int keeper = killed.keeper();
  REQUIRE(keeper != 0);
  ::kill(keeper, SIGKILL);
  ::kill(killed.child, SIGKILL);
  const UniqueFd ended(static_cast<int>(::syscall(SYS_pidfd_open, killed.pid, 0)));
  ::kill(killed.pid, SIGKILL);
  REQUIRE(wait_readable(ended.get(), kSoon));
  // The killed child ends by itself, and may be the last.
  const UniqueFd child(static_cast<int>(::syscall(SYS_pidfd_open, killed.child, 0)));
  if (child) REQUIRE(wait_readable(child.get(), kSoon));
  CHECK(std::filesystem::exists(killed.folder));
  CHECK(std::system((program().string() + " swept").c_str()) == 0);
  CHECK_FALSE(std::filesystem::exists(killed.folder));
  CHECK(std::filesystem::exists(living.folder));
}
