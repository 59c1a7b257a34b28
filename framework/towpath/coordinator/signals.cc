#include "towpath/coordinator/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {

Signals::Signals(bool wanted) {
  if (!wanted) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  // The terminal was closed; under nohup it is ignored, and stays so.
  struct sigaction hangup {};
  ::sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  if (::pthread_sigmask(SIG_BLOCK, &set, &old_) != 0) throw_errno("pthread_sigmask");
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw_errno("signalfd");
}

Signals::~Signals() {
  while (take()) {  // one that came too late to stop anything must not kill the program now
  }
  if (fd_) ::pthread_sigmask(SIG_SETMASK, &old_, nullptr);
}

std::optional<std::string> Signals::take() {
  signalfd_siginfo info{};
  if (!fd_ || ::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    return std::nullopt;
  }
  const char* const name = ::sigabbrev_np(static_cast<int>(info.ssi_signo));
  // The kernel itself sends what Ctrl-C on a terminal means.
  if (info.ssi_code == SI_KERNEL) return format("SIG{} from the terminal", name);
  return format("SIG{} from pid {} (uid {})", name, info.ssi_pid, info.ssi_uid);
}

}  // namespace towpath
