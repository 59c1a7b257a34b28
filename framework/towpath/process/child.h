#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/clock.h"

namespace towpath {

class ChildState;

// A child of this process that runs or has run: what its Process object knows of it, for others
// than that object's owner. A name: copyable; it ends nothing and joins nothing by itself.
//
// Threads    any, also beside the Process and other copies.
// Processes  one. In a child of fork every call is Invalid: it is the parent's child, not this
//            one's.
// Source     the Process objects that Python's multiprocessing.active_children() returns.
class Child {
 public:
  explicit Child(std::shared_ptr<ChildState> state) : state_(std::move(state)) {}

  const std::string& name() const;
  bool daemon() const;
  int pid() const;
  bool is_alive() const;
  // Readable once it has ended; a pidfd.
  int sentinel() const;
  // Waits for its end: true when it has ended.
  bool join(Millis timeout = kForever) const;
  // None while it runs; n for exit(n); -s when signal s killed it.
  std::optional<int> exitcode() const;
  // Of one that ended by an uncaught exception: its type and text.
  std::optional<std::string> error() const;

  // SIGTERM, SIGKILL, SIGINT. Nothing happens to one that has ended.
  void terminate() const;
  void kill() const;
  void interrupt() const;

 private:
  std::shared_ptr<ChildState> state_;
};

// The children of this process that run, as far as they were started by Process; those of Pools
// are among them. Reaps those that have ended, as starting another does. Any thread.
std::vector<Child> active_children();

}  // namespace towpath
