#include "towpath/process/keeper.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/shared_folder.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/wait.h"
#include "towpath/process/exec_self.h"
#include "towpath/process/keep_folder.h"
#include "towpath/process/title.h"

namespace towpath {
namespace {

constexpr Millis kReleaseTimeout{5'000};

}  // namespace

Keeper::Keeper(std::string folder) : Keeper(Session(std::move(folder))) {}

Keeper::Keeper(Session session) : session_(std::move(session)) {
  const std::string& folder = session_.folder();
  if (folder.empty() || folder.front() != '/' || !is_own_folder(folder)) {
    throw Invalid(
        format("Keeper: \"{}\" is not the absolute path of a folder of this user", folder));
  }
  if (!program_remembered()) {
    throw Invalid("Keeper: towpath::init(argc, argv) must be the first statement of main");
  }
  auto [mine, its] = packet_pair();
  line_ = PrivateFd(std::move(mine));
  // In the socket before the keeper exists: it learns the folder even if this process dies right
  // now.
  send_packet(line_.get(), folder);
  Launched launched = exec_self(ExecRole::kKeeper, its.get(), Parenthood::kThread);
  pid_ = launched.pid;
  pidfd_ = PrivateFd(std::move(launched.pidfd));
}

Keeper::~Keeper() { release(); }

void Keeper::release() noexcept {
  session_.leave();
  if (!line_) return;
  line_.reset();
  if (!pidfd_) return;
  try {
    if (wait_readable(pidfd_.get(), kReleaseTimeout)) {
      while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  } catch (const Error&) {
    // It goes on by itself, and ends when the folder is gone.
  }
  pidfd_.reset();
}

void keep_folder(const std::string& folder) {
  // Never destroyed: the keeper learns of this process's end by itself.
  static auto* const keepers = new std::list<Keeper>;
  keepers->emplace_back(folder);
}

void run_keeper(UniqueFd line) {
  set_process_title("towpath: keeper");
  const std::string folder = receive_packet(line.get()).value().bytes;
  if (::chdir("/") != 0) throw_errno("chdir(/)");
  try {
    while (receive_packet(line.get())) {
    }
  } catch (const EndOfStream&) {
    // The owner has ended, or has let go.
  }
  SharedFolder::remove_when_unused(folder);
  std::exit(EXIT_SUCCESS);
}

}  // namespace towpath
