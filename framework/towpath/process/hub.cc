#include "towpath/process/hub.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/make_thread.h"
#include "towpath/base/shared_folder.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/local_socket.h"
#include "towpath/message/codec.h"
#include "towpath/process/code_address.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/signal_process.h"
#include "towpath/process/title.h"
#include "towpath/sync/holder.h"

namespace towpath {
namespace {

constexpr Millis kStartTime{30'000};

struct Order {
  CodeAddress work;
  std::string address;
  TOWPATH_FIELDS(work, address)
};

}  // namespace

uint64_t start_hub(HubWork work, const std::string& address) {
  // One that was killed is this process's to take away, if it had started it.
  static std::atomic<pid_t> last{0};
  if (const pid_t before = last; before != 0) ::waitpid(before, nullptr, WNOHANG);
  auto [mine, its] = packet_pair();
  send_packet(mine.get(),
              to_bytes(Order{locate_code(reinterpret_cast<const void*>(work)), address}));
  const Launched hub = exec_self(ExecRole::kHub, its.get(), Parenthood::kThread);
  last = hub.pid;
  its.reset();
  try {
    if (const auto ready = receive_packet(mine.get(), kStartTime))
      return from_bytes<Holder>(ready->bytes);
  } catch (const EndOfStream&) {
    throw Closed(
        "the hub of this program's queues ended before it served any; its reason is above");
  }
  // It might begin yet, and nobody would know of it.
  signal_process(hub.pidfd.get(), SIGKILL);
  throw Closed(
      format("the hub of this program's queues (pid {}) did not begin to serve in {} s, and was "
             "killed: the machine has too much to do, or it was stopped",
             hub.pid, kStartTime / std::chrono::seconds(1)));
}

void run_hub(UniqueFd line) {
  set_process_title("towpath: hub");
  const auto order = from_bytes<Order>(receive_packet(line.get()).value().bytes);
  const auto work = reinterpret_cast<HubWork>(resolve_code(order.work));
  if (::chdir("/") != 0) throw_errno("chdir(/)");
  const std::string folder = std::filesystem::path(socket_path(order.address)).parent_path();
  make_thread("the hub", [folder] {
    // Nobody is left to serve.
    SharedFolder::remove_when_unused(folder);
    ::_exit(EXIT_SUCCESS);
  }).detach();
  work(order.address, [&line] {
    send_packet(line.get(), to_bytes(this_process()));
    line.reset();
  });
  throw Bug("the hub has stopped its work");
}

}  // namespace towpath
