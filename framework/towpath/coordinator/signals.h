#pragma once
#include <csignal>

#include "towpath/base/unique_fd.h"

namespace towpath {

// SIGINT and SIGTERM as a descriptor while it lives; the thread's old mask comes back at its end.
class Signals {
 public:
  explicit Signals(bool wanted);  // false: they keep their action, and fd() is -1
  Signals(const Signals&) = delete;
  ~Signals();

  int fd() const { return fd_.get(); }
  int take();  // how many have come since the last call

 private:
  sigset_t old_{};
  UniqueFd fd_;
};

}  // namespace towpath
