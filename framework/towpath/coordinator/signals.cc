#include "towpath/coordinator/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "towpath/base/error.h"

namespace towpath {

Signals::Signals(bool wanted) {
  if (!wanted) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (::pthread_sigmask(SIG_BLOCK, &set, &old_) != 0) throw_errno("pthread_sigmask");
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw_errno("signalfd");
}

Signals::~Signals() {
  if (fd_) ::pthread_sigmask(SIG_SETMASK, &old_, nullptr);
}

int Signals::take() {
  int count = 0;
  signalfd_siginfo info{};
  while (fd_ && ::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) ++count;
  return count;
}

}  // namespace towpath
