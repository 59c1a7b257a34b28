#pragma once
#include <string>

namespace towpath {

// Who holds a Lock or RLock, at the moment of asking.
struct LockOwner {
  enum Kind { kNobody, kThisThread, kOtherThread, kOtherProcess };
  Kind kind = kNobody;
  int pid = 0;
  int tid = 0;  // 0: not known
  bool ended = false;

  // "nobody", "this thread", "thread 12 of this process", "process 4711", "process 4711, which has
  // ended".
  std::string text() const;
};

}  // namespace towpath
