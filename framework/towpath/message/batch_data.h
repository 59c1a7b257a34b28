#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "towpath/message/batch.h"

namespace towpath {

// What the copies of a batch share. For batch.cc and batch_builder.cc only: a stage begins rows
// from a batch millions of times, which calls across files would make twice as slow.
struct Batch::Data {
  int64_t rows = 0;
  Schema schema;
  std::vector<Column> columns;
  size_t bytes = 0;
  Origins origins;
  const uint8_t* partitions = nullptr;
  std::vector<uint8_t> own_partitions;
  std::shared_ptr<const void> keep;
  // Unlike that of any other in this process, and never 0. (Addresses are used again.)
  uint64_t serial = next_serial();

  static uint64_t next_serial() {
    static std::atomic<uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }
};

}  // namespace towpath
