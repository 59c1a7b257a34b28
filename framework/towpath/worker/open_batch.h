#pragma once
#include "towpath/memory/arena_view.h"
#include "towpath/message/batch.h"
#include "towpath/worker/protocol.h"

namespace towpath {

// Opens the batch that a name stands for: in the arena, where its lease keeps it, or in a copy of a
// small image. The view must outlive the batch. Throws Invalid.
Batch open_batch(const BatchName& name, const ArenaView& arena);

}  // namespace towpath
