#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/base/unique_fd.h"

namespace towpath {

// Packets of bytes and open descriptors between two processes of one host, over a unix socket pair.
//
// Order      kept. A packet arrives whole or not at all.
// Capacity   any size: what does not fit into one socket message travels in a memfd beside it.
// Timeouts   sending waits for room: Full. Receiving nothing: std::nullopt.
// Errors     Closed when the other end is closed. Receiving: EndOfStream, after what was sent;
//            Invalid: no packet, or a larger one than is wanted, and LostDescriptors: it is gone
//            then.
// Threads    any; each packet is one sendmsg or recvmsg.
// Source     unix(7): SOCK_SEQPACKET, SCM_RIGHTS. ZeroMQ can't pass descriptors.

struct Packet {
  std::string bytes;
  std::vector<UniqueFd> fds;  // close-on-exec
};

// There was no room for a packet's descriptors in this process (EMFILE). It holds the bytes.
class LostDescriptors : public SystemError {
 public:
  explicit LostDescriptors(std::string bytes);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// At most so many descriptors in one packet (the kernel allows 253).
inline constexpr size_t kMaxPacketFds = 250;

// Both ends close on exec, and neither is one of the standard streams.
std::pair<UniqueFd, UniqueFd> packet_pair();

// The descriptors are copied: the caller keeps its own.
void send_packet(int socket, std::string_view bytes, std::span<const int> fds = {},
                 Millis timeout = kForever);
// Of at most so many bytes: what a stranger sends may claim any size.
std::optional<Packet> receive_packet(int socket, Millis timeout = kForever,
                                     uint64_t most = UINT64_MAX);

}  // namespace towpath
