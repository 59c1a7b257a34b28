#pragma once
#include <atomic>
#include <span>

#include "towpath/memory/session_file.h"
#include "towpath/sync/holder.h"

namespace towpath {

// This process's entry in a table of those who have something, in shared memory. It is taken out at
// its end and when the process exits; so an entry of a process that has ended says that it was
// killed.
class Membership {
 public:
  using Table = std::span<std::atomic<uint64_t>>;

  // `file` holds the table in its memory.
  Membership(SessionFile file, Table table) : file_(std::move(file)), table_(table) {}
  Membership(const Membership&) = delete;
  ~Membership();

  // Enters, unless it has. In a child of fork the parent's entry is not its own. Where there is no
  // room it stays unknown.
  void enter();

 private:
  friend struct Members;
  void leave();

  SessionFile file_;
  Table table_;
  std::atomic<Holder> entered_for_{0};
  std::atomic<uint64_t>* entry_ = nullptr;
};

}  // namespace towpath
