#pragma once
#include <csignal>

namespace towpath {

// Blocks every signal in this thread while it lives. A thread that is started meanwhile inherits
// that: the program's signals are for the program's own threads, not for the library's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace towpath
