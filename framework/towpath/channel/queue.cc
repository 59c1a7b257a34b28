#include "towpath/channel/queue.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath::queues {

void Named::throw_closed(const char* what) {
  throw Closed(format("{}: this queue's object is closed", what));
}

std::shared_ptr<QueueCore> open_joinable(const Handle& handle) {
  std::shared_ptr<QueueCore> core = QueueCore::open(handle);
  if (!core->joinable()) {
    throw Invalid(
        format("{} is a Queue, not a JoinableQueue: it must be made as one", handle.name));
  }
  return core;
}

void flush(QueueCore& core, Millis timeout) {
  if (!core.flush(timeout))
    throw Timeout(format("flush: {}: the hub did not take all in time", core.handle().name));
}

}  // namespace towpath::queues
