#pragma once
#include <cstdint>

namespace towpath {

// What carries a channel's messages. kAuto: the fastest there is between its ends.
enum class Transport : uint8_t { kAuto, kSharedMemory, kZeroMq };

}  // namespace towpath
