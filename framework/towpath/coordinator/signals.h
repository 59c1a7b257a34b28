#pragma once
#include <csignal>
#include <optional>
#include <string>

#include "towpath/base/unique_fd.h"

namespace towpath {

// SIGINT, SIGTERM and SIGHUP as a descriptor while it lives; the thread's old mask comes back at
// its end.
class Signals {
 public:
  explicit Signals(bool wanted);  // false: they keep their action, and fd() is -1
  Signals(const Signals&) = delete;
  ~Signals();

  int fd() const { return fd_.get(); }
  // The next one that has come, and who sent it: "SIGINT from the terminal", "SIGTERM from pid 4711
  // (uid 1000)". None: there is none.
  std::optional<std::string> take();

 private:
  sigset_t old_{};
  UniqueFd fd_;
};

}  // namespace towpath
