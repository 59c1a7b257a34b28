#include "towpath/pool/executor.h"

namespace towpath {

Executor::~Executor() {
  if (!pool_.engine_ || !pool_.engine_->own()) return;  // moved away, or a copy by fork
  shutdown();
}

void Executor::shutdown(bool wait, bool cancel_futures) {
  pool_.close();
  if (cancel_futures) pool_.cancel_queued();
  if (wait && !pool_.engine_->on_own_thread()) pool_.join();
}

}  // namespace towpath
