#pragma once
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/private_fd.h"

namespace towpath {

// A child that was started: its pidfd, its line, and in the end its exit status, which is taken
// once, by whoever comes first. Any thread.
class ChildState {
 public:
  struct Facts {
    std::string name;
    bool daemon = false;
    // It says when it has reached init; one that exits before has not got there.
    bool says_begun = false;
  };
  // What starting it has made; whoever lets it go unused has to end the child.
  struct Started {
    pid_t pid = 0;
    PrivateFd pidfd{};
    PrivateFd line{};
  };
  ChildState(Facts facts, Started started);

  const std::string& name() const { return facts_.name; }
  bool daemon() const { return facts_.daemon; }
  pid_t pid() const { return started_.pid; }
  int sentinel() const { return started_.pidfd.get(); }
  pid_t owner() const { return owner_; }
  // A copy of this in a child of fork is nobody's: Invalid, naming the call.
  void require_own(const char* what) const;

  // Waits for the end and takes the exit status.
  bool ended(Millis timeout);
  bool is_stopped();
  void send_signal(int signal);
  std::optional<int> exitcode();
  std::optional<std::string> error();

 private:
  void reap();
  void hear();

  const Facts facts_;
  const pid_t owner_;
  Started started_;
  std::mutex mutex_;  // guards what follows, and the line
  std::atomic<bool> reaped_ = false;
  bool begun_ = false;
  std::optional<int> exitcode_;
  std::optional<std::string> error_;
};

// The children of this process that were not seen to end; those of its parent are none of a child
// of fork. At exit() daemons among them are terminated, and the others joined: see Process.
namespace children {

// Before a child is started: reaps others, and makes sure that add() can't fail.
void prepare();
void add(const std::shared_ptr<ChildState>& child);
// Reaps those that have ended, and returns the others.
std::vector<std::shared_ptr<ChildState>> active();

}  // namespace children
}  // namespace towpath
