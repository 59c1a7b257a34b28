#include "towpath/channel/descriptor_passing.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/wait.h"

namespace towpath {
namespace {

// One socket message holds a byte that says where the packet's bytes are, then those bytes.
constexpr size_t kInlineBytes = size_t{64} * 1024;
constexpr char kInline = 'i';
constexpr char kInMemfd = 'm';  // the bytes are the content of the last descriptor

UniqueFd above_standard_streams(int fd) {
  UniqueFd owned(fd);
  if (fd > STDERR_FILENO) return owned;
  UniqueFd moved(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved) throw_errno(format("fcntl({}, F_DUPFD_CLOEXEC)", fd));
  return moved;
}

UniqueFd memfd_of(std::string_view bytes) {
  UniqueFd memfd(::memfd_create("towpath-packet", MFD_CLOEXEC));
  if (!memfd) throw_errno("memfd_create(towpath-packet)");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::write(memfd.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) throw_errno(format("write(memfd, {} bytes)", bytes.size()));
    done += static_cast<size_t>(wrote);
  }
  return memfd;
}

void require_size(uint64_t size, uint64_t most) {
  if (size > most) throw Invalid(format("a packet of {} bytes; at most {} are taken", size, most));
}

std::string content_of(int memfd, uint64_t most) {
  const off_t size = ::lseek(memfd, 0, SEEK_END);
  if (size < 0) throw_errno("lseek(memfd)");
  require_size(static_cast<uint64_t>(size), most);
  std::string bytes(static_cast<size_t>(size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got =
        ::pread(memfd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(format("pread(memfd, {} bytes)", bytes.size()));
    if (got == 0) throw Invalid("a packet's memfd shrank while it was read");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

void wait_writable(int socket, const Deadline& deadline) {
  pollfd item{socket, POLLOUT, 0};
  for (;;) {
    const int ready = ::poll(&item, 1, deadline.poll_timeout());
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) throw_errno("poll(POLLOUT)");
    if (deadline.passed())
      throw Full("a packet found no room in the socket: its reader does not read");
  }
}

}  // namespace

std::pair<UniqueFd, UniqueFd> packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw_errno("socketpair(AF_UNIX, SOCK_SEQPACKET)");
  }
  UniqueFd second(ends[1]);  // owned before the first may throw
  UniqueFd first = above_standard_streams(ends[0]);
  return {std::move(first), above_standard_streams(second.release())};
}

void send_packet(int socket, std::string_view bytes, std::span<const int> fds, Millis timeout) {
  if (fds.size() > kMaxPacketFds) {
    throw Invalid(format("{} descriptors in one packet; at most {}", fds.size(), kMaxPacketFds));
  }
  char where = kInline;
  UniqueFd memfd;
  std::vector<int> sent(fds.begin(), fds.end());
  if (bytes.size() > kInlineBytes) {
    where = kInMemfd;
    memfd = memfd_of(bytes);
    sent.push_back(memfd.get());
    bytes = {};
  }

  std::array<iovec, 2> parts{iovec{&where, 1},
                             iovec{const_cast<char*>(bytes.data()), bytes.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * (kMaxPacketFds + 1))];
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (!sent.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * sent.size());
    std::memset(control, 0, message.msg_controllen);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * sent.size());
    std::memcpy(CMSG_DATA(rights), sent.data(), sizeof(int) * sent.size());
  }

  const Deadline deadline(timeout);
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return;
    switch (errno) {
      case EINTR:
        break;
      case EAGAIN:
        wait_writable(socket, deadline);
        break;
      case EPIPE:
      case ECONNRESET:
      case ENOTCONN:
        throw Closed("the other end of the socket pair is closed");
      default:
        throw_errno(format("sendmsg({} bytes, {} descriptors)", bytes.size(), sent.size()));
    }
  }
}

LostDescriptors::LostDescriptors(std::string bytes)
    : SystemError("recvmsg: there is no room for a packet's descriptors", EMFILE),
      bytes_(std::move(bytes)) {}

std::optional<Packet> receive_packet(int socket, Millis timeout, uint64_t most) {
  char buffer[kInlineBytes + 1];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * (kMaxPacketFds + 1))];
  iovec part{buffer, sizeof buffer};
  const Deadline deadline(timeout);
  for (;;) {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0) {
      // The other end was closed with something of ours unread. The kernel says so once, before
      // what it had sent.
      if (errno == EINTR || errno == ECONNRESET) continue;
      if (errno != EAGAIN) throw_errno("recvmsg");
      if (!wait_readable(socket, deadline.left())) return std::nullopt;
      continue;
    }

    Packet packet;
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
         head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
        packet.fds.emplace_back(fd);
      }
    }
    if (got == 0) throw EndOfStream("the other end of the socket pair is closed");
    const std::string_view bytes(buffer + 1, static_cast<size_t>(got) - 1);
    if ((message.msg_flags & MSG_CTRUNC) != 0) throw LostDescriptors(std::string(bytes));
    if ((message.msg_flags & MSG_TRUNC) != 0) throw Invalid("not a packet: too many bytes");
    if (buffer[0] == kInMemfd && !packet.fds.empty()) {
      packet.bytes = content_of(packet.fds.back().get(), most);
      packet.fds.pop_back();
    } else if (buffer[0] == kInline) {
      require_size(bytes.size(), most);
      packet.bytes = bytes;
    } else {
      throw Invalid("not a packet: unknown first byte");
    }
    return packet;
  }
}

}  // namespace towpath
