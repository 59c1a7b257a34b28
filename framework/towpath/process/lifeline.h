#pragma once
#include "towpath/base/private_fd.h"
#include "towpath/channel/descriptor.h"

namespace towpath {

// Tells other processes that this one has ended, however it ended: they hold the watched end of a
// pipe whose other end only this process has open. Nothing is ever written; the watched end hangs
// up (poll: readable) at cut(), at destruction and at death.
class Lifeline {
 public:
  Lifeline();
  // The end to watch, as an argument for children. Belongs to the Lifeline.
  Descriptor watched() const { return {watched_.get()}; }
  void cut() { held_.reset(); }

 private:
  UniqueFd watched_;
  PrivateFd held_;
};

}  // namespace towpath
