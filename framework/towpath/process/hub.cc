#include "towpath/process/hub.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "towpath/base/error.h"
#include "towpath/base/shared_folder.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/local_socket.h"
#include "towpath/channel/queue_hub.h"
#include "towpath/message/codec.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/title.h"
#include "towpath/sync/holder.h"

namespace towpath {
namespace {

constexpr Millis kStartTime{30'000};

}  // namespace

uint64_t start_hub(const std::string& address) {
  // One that was killed is this process's to take away, if it had started it.
  static std::atomic<pid_t> last{0};
  if (const pid_t before = last; before != 0) ::waitpid(before, nullptr, WNOHANG);
  auto [mine, its] = packet_pair();
  send_packet(mine.get(), address);
  last = exec_self(ExecRole::kHub, its.get(), Parenthood::kThread).pid;
  its.reset();
  try {
    if (const auto ready = receive_packet(mine.get(), kStartTime))
      return from_bytes<Holder>(ready->bytes);
  } catch (const EndOfStream&) {
    // It said why.
  }
  throw Closed("the hub of this program's queues ended before it served any; its reason is above");
}

void run_hub(UniqueFd line) {
  set_process_title("towpath: hub");
  const std::string address = receive_packet(line.get()).value().bytes;
  if (::chdir("/") != 0) throw_errno("chdir(/)");
  QueueHub hub(address);
  send_packet(line.get(), to_bytes(this_process()));
  line.reset();
  const std::string folder = std::filesystem::path(socket_path(address)).parent_path();
  std::thread([folder] {
    // Nobody is left to serve.
    SharedFolder::remove_when_unused(folder);
    ::_exit(EXIT_SUCCESS);
  }).detach();
  hub.run();
}

}  // namespace towpath
