#include "stages/core/discard.h"

namespace towpath::core {

StageSpec Discard::describe() {
  return StageSpec("discard")
      .summary("Takes rows and keeps nothing of them but their number.")
      .example("discard: {}");
}

void Discard::open(Services& services, std::optional<std::string_view>) {
  rows_ = &services.counter("rows");
  bytes_ = &services.counter("bytes");
}

void Discard::write(const Batch& in, Outputs&) {
  rows_->add(static_cast<uint64_t>(in.rows()));
  bytes_->add(in.bytes());
}

TOWPATH_STAGE(Discard)

}  // namespace towpath::core
