#pragma once
#include <string>

namespace towpath {

// Bytes that arrived at a Router, and who sent them.
struct Message {
  std::string from;  // the sender's identity
  std::string bytes;
};

// Messages larger than this close the connection they come on.
inline constexpr int64_t kMaxMessageBytes = 256 << 20;

}  // namespace towpath
