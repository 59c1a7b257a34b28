#include "towpath/channel/ring_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/channel/descriptor.h"
#include "towpath/channel/descriptor_passing.h"
#include "towpath/channel/wait.h"
#include "towpath/memory/file_space.h"

namespace towpath {
namespace {

constexpr uint64_t kPlace = RingDirection<RingWriter>::kBytes;
constexpr uint64_t kMinBulk = RingDirection<RingWriter>::kMinBulk;
constexpr uint64_t kMaxBulk = RingDirection<RingWriter>::kMaxBulk;
constexpr uint64_t kMaxInline = uint64_t{32} << 10;
constexpr Millis kPatience{1};  // for half of the ring to become free, before any room will do

// What a record is. Messages of one record are kFirst | kLast.
constexpr uint32_t kFirst = 1;
constexpr uint32_t kLast = 2;
constexpr uint32_t kInBulk = 4;   // the bytes are the bulk's next record
constexpr uint32_t kNewBulk = 8;  // before that, a new bulk begins: the packet of that number
constexpr uint32_t kPacket = 16;  // descriptors came in the packet of that number

// How a packet's number stands in a record: before its bytes.
constexpr size_t kNumberSize = sizeof(uint64_t);
constexpr uint64_t kMaxPacket = 9;  // of a packet's bytes: its number, encoded

UniqueFd copy_of(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) throw_errno(format("fcntl({}, F_DUPFD_CLOEXEC)", fd));
  return copy;
}

// Changes every few milliseconds, and costs as many nanoseconds.
int64_t tick() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] void throw_gone() {
  throw Closed("the other end of the connection is closed, or its process has ended");
}

}  // namespace

// ── Making, giving away ──

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> RingLink::make(bool duplex,
                                                                       uint64_t first_reads_most) {
  std::unique_ptr<RingLink> first(new RingLink);
  std::unique_ptr<RingLink> second(new RingLink);
  auto [first_socket, second_socket] = packet_pair();
  first->most_bytes_ = std::min(first_reads_most, kMaxConnectionMessage);
  first->socket_ = PrivateFd(std::move(first_socket));
  second->socket_ = PrivateFd(std::move(second_socket));
  first->memory_ = SealedMemory::create("towpath-connection", duplex ? 2 * kPlace : kPlace);
  second->memory_ = SealedMemory::adopt(copy_of(first->memory_.fd()));
  const auto connect = [](RingLink& writer, RingLink& reader, int64_t place) {
    writer.out_.message = WakeFd::create();
    writer.out_.room = WakeFd::create();
    reader.in_.message = WakeFd(copy_of(writer.out_.message.get()));
    reader.in_.room = WakeFd(copy_of(writer.out_.room.get()));
    writer.out_.map(writer.memory_, place);
    reader.in_.map(reader.memory_, place);
  };
  connect(*second, *first, 0);
  if (duplex) connect(*first, *second, 1);
  return {std::move(first), std::move(second)};
}

RingLink::~RingLink() = default;

void RingLink::encode_end(Encoder& out) {
  out.array(2);
  encode(out, LinkKind::kRing);
  out.array(10);
  encode(out, Descriptor{memory_.fd()});
  encode(out, Descriptor{socket_.get()});
  out_.encode(out);
  in_.encode(out);
  out.unsigned_integer(most_bytes_);
  out.unsigned_integer(new_bulk_);
  out.boolean(in_pieces_);
  out.boolean(broken_);
  out.binary(partial_);
  out.array(partial_fds_.size());
  for (const UniqueFd& fd : partial_fds_) encode(out, Descriptor{fd.get()});
}

std::unique_ptr<Link> RingLink::adopt(Decoder& in) {
  std::unique_ptr<RingLink> link(new RingLink);
  in.array(10);
  link->memory_ = SealedMemory::adopt(decode_descriptor(in));
  link->socket_ = PrivateFd(decode_descriptor(in));
  link->out_.decode(in, link->memory_);
  link->in_.decode(in, link->memory_);
  link->most_bytes_ = in.unsigned_integer();
  link->new_bulk_ = in.unsigned_integer();
  link->in_pieces_ = in.boolean();
  link->broken_ = in.boolean();
  link->partial_ = in.binary();
  for (size_t left = in.array(); left > 0; --left) {
    link->partial_fds_.push_back(decode_descriptor(in));
  }
  return link;
}

void RingLink::interrupt() noexcept {
  if (in_.ring) in_.ring.set_gone();
  ::shutdown(socket_.get(), SHUT_RDWR);
}

// ── Waiting ──

// Sleeps until the event is signalled, the peer is gone, or time is up.
RingLink::Woke RingLink::sleep(const WakeFd& event, const Deadline& deadline) const {
  std::array<pollfd, 2> items{pollfd{event.get(), POLLIN, 0}, pollfd{socket_.get(), POLLRDHUP, 0}};
  for (;;) {
    const int ready = ::poll(items.data(), items.size(), deadline.poll_timeout());
    if (ready < 0 && errno != EINTR) throw_errno("poll(a connection)");
    if (ready > 0 && items[0].revents != 0) return Woke::kEvent;
    if (ready > 0) return Woke::kGone;
    if (ready == 0 && deadline.passed()) return Woke::kTimeout;
  }
}

// Closing is said in shared memory. A kill is not: that costs a system call, so one every few
// milliseconds; who sleeps is told at once.
void RingLink::require_peer() {
  if (out_.ring.reader_gone()) throw_gone();
  const int64_t now = tick();
  if (now == looked_at_) return;
  looked_at_ = now;
  if (hung_up(socket_.get())) throw_gone();
}

template <class Try>
bool RingLink::await_room(const Deadline& deadline, Try attempt) {
  if (attempt()) return true;
  // The peer wakes this end when half of its ring is free: a wake-up for each message would cost
  // more than the message. But if that takes long, the peer may wait for this very one.
  auto want = RingWriter::Want::kHalf;
  for (;;) {
    out_.ring.want_room(want);
    if (attempt()) break;
    const Deadline half(std::min(deadline.left(), kPatience));
    const Woke woke = sleep(out_.room, want == RingWriter::Want::kHalf ? half : deadline);
    if (woke == Woke::kEvent) out_.room.clear();
    if (woke == Woke::kGone) {
      out_.ring.want_room(RingWriter::Want::kNothing);
      throw_gone();
    }
    if (attempt()) break;
    if (deadline.passed()) {
      out_.ring.want_room(RingWriter::Want::kNothing);
      return false;
    }
    if (woke == Woke::kTimeout) want = RingWriter::Want::kAny;
  }
  out_.ring.want_room(RingWriter::Want::kNothing);
  return true;
}

RingLink::Arrival RingLink::await_record(const Deadline& deadline) {
  if (broken_) return Arrival::kEnd;
  if (ready()) return Arrival::kRecord;
  if (!deadline.passed() && look_.find(received_, [this] { return ready(); }))
    return Arrival::kRecord;
  bool gone = false;
  for (;;) {
    in_.ring.want_record(true);
    if (ready()) break;
    if (gone) return Arrival::kEnd;
    const Woke woke = sleep(in_.message, deadline);
    if (woke == Woke::kEvent) in_.message.clear();
    if (ready()) break;
    // What a peer wrote before its end can be seen now, so one more look decides.
    gone = woke == Woke::kGone;
    if (!gone && deadline.passed()) return Arrival::kTimeout;
  }
  if (tells_) {
    in_.message.signal();
  } else {
    in_.ring.want_record(false);
  }
  return Arrival::kRecord;
}

// Also when the writer broke the ring: who takes the record then is told so.
bool RingLink::ready() noexcept {
  try {
    return in_.ring.ready();
  } catch (const Invalid&) {
    return true;
  }
}

// ── Sending ──

bool RingLink::send(std::string_view bytes, std::vector<UniqueFd> fds, const Deadline& deadline) {
  if (bytes.size() > kMaxConnectionMessage) {
    throw Invalid(format("a message of {} bytes; a connection carries at most {}", bytes.size(),
                         kMaxConnectionMessage));
  }
  require_peer();
  // Before the packet of the message, as the reader takes them.
  if (bytes.size() > kMaxInline) make_bulk(bytes.size(), deadline);
  uint64_t packet = 0;
  if (!fds.empty()) {
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
    packet = send_packet_of(numbers, deadline);
  }
  if (bytes.size() <= kMaxInline) return put(bytes, kFirst | kLast, packet, deadline);

  const uint64_t largest =
      out_.bulk ? out_.bulk.max_record() : kMaxInline;  // without a bulk, in many small pieces
  const uint64_t piece = bytes.size() <= largest ? largest : std::min(largest, kMaxBulk / 4);
  uint32_t tag = kFirst;
  while (true) {
    const std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    if (bytes.empty()) tag |= kLast;
    if (!(out_.bulk ? put_bulk(part, tag, packet, deadline) : put(part, tag, packet, deadline))) {
      return false;
    }
    if (bytes.empty()) return true;
    tag = 0;
    packet = 0;
  }
}

bool RingLink::put(std::string_view bytes, uint32_t tag, uint64_t packet,
                   const Deadline& deadline) {
  const size_t head = packet != 0 ? kNumberSize : 0;
  char* to = nullptr;
  if (!await_room(deadline, [&] { return (to = out_.ring.reserve(head + bytes.size())); })) {
    return false;
  }
  if (packet != 0) {
    tag |= kPacket;
    std::memcpy(to, &packet, kNumberSize);
  }
  if (!bytes.empty()) std::memcpy(to + head, bytes.data(), bytes.size());
  if (out_.ring.publish(tag)) out_.message.signal();
  return true;
}

bool RingLink::put_bulk(std::string_view bytes, uint32_t tag, uint64_t packet,
                        const Deadline& deadline) {
  tag |= kInBulk;
  if (packet != 0) tag |= kPacket;
  if (new_bulk_ != 0) tag |= kNewBulk;
  const size_t head = (packet != 0 ? kNumberSize : 0) + (new_bulk_ != 0 ? kNumberSize : 0);
  char* to = nullptr;
  char* body = nullptr;
  if (!await_room(deadline, [&] {
        return (body = out_.bulk.reserve(bytes.size())) && (to = out_.ring.reserve(head));
      })) {
    return false;
  }
  if (body != bytes.data()) std::memcpy(body, bytes.data(), bytes.size());  // else: see reserve()
  out_.bulk.publish(0);
  if (new_bulk_ != 0) {
    std::memcpy(to, &new_bulk_, kNumberSize);
    to += kNumberSize;
  }
  if (packet != 0) std::memcpy(to, &packet, kNumberSize);
  const bool wake = out_.ring.publish(tag);
  new_bulk_ = 0;
  if (wake) out_.message.signal();
  return true;
}

// What is not published is reserved again by the next who asks, at the same place.
std::optional<std::span<char>> RingLink::reserve(uint64_t bytes, const Deadline& deadline) {
  if (bytes <= kMaxInline) return std::span<char>();
  require_peer();
  make_bulk(bytes, deadline);
  if (!out_.bulk || bytes > out_.bulk.max_record()) return std::span<char>();
  char* body = nullptr;
  if (!await_room(deadline, [&] { return (body = out_.bulk.reserve(bytes)); })) return std::nullopt;
  return std::span(body, bytes);
}

// Makes the second ring, or a larger one, for messages of such size. The reader turns to it when it
// has read what lies in the old one.
void RingLink::make_bulk(uint64_t bytes, const Deadline& deadline) {
  if (no_bulk_) return;
  const uint64_t wanted = std::clamp(std::bit_ceil(bytes * 4), kMinBulk, kMaxBulk);
  if (out_.bulk && (bytes <= out_.bulk.max_record() || out_.bulk.capacity() == wanted)) return;
  SealedMemory memory = SealedMemory::create("towpath-connection-bulk", ring_memory(wanted));
  // Pages that can't be had later would kill the writer.
  if (reserve_space(memory.fd(), 0, memory.size()) != 0) {
    no_bulk_ = !out_.bulk;
    return;
  }
  new_bulk_ = send_packet_of(std::array{memory.fd()}, deadline);
  out_.map_bulk(std::move(memory));
}

uint64_t RingLink::send_packet_of(std::span<const int> fds, const Deadline& deadline) {
  const uint64_t number = ++out_.packets;
  send_packet(socket_.get(), to_bytes(number), fds, deadline.left());
  return number;
}

// ── Receiving ──

std::optional<Link::Incoming> RingLink::receive(const Deadline& deadline) {
  for (;;) {
    switch (await_record(deadline)) {
      case Arrival::kEnd:
        throw EndOfStream("the other end of the connection is closed, or its process has ended");
      case Arrival::kTimeout:
        return std::nullopt;
      case Arrival::kRecord:
        break;
    }
    try {
      if (auto message = take_front()) return message;
    } catch (...) {
      if (front_given_) {
        // This message is lost, and no other.
        pop_front();
        forget_pieces();
      } else {
        broken_ = true;
        interrupt();
      }
      throw;
    }
  }
}

// The message that the ring's front is, or completes; nullopt: neither.
std::optional<Link::Incoming> RingLink::take_front() {
  const auto record = in_.ring.front();
  if (!record) return std::nullopt;  // only a gap
  const uint32_t tag = record->tag;
  std::string_view bytes(record->bytes.data(), record->bytes.size());
  // Somebody wrote zeros over what had not been read.
  if (tag == 0 && bytes.empty()) throw Invalid("a connection's record is empty");
  const auto number = [&bytes] {
    uint64_t value = 0;
    if (bytes.size() < kNumberSize) throw Invalid("a connection's record is too short");
    std::memcpy(&value, bytes.data(), kNumberSize);
    bytes.remove_prefix(kNumberSize);
    return value;
  };
  if ((tag & kNewBulk) != 0) {
    std::vector<UniqueFd> fds = take_packet(number());
    if (fds.size() != 1) throw Invalid("a connection's second ring did not come");
    in_.map_bulk(SealedMemory::adopt(std::move(fds.front())));
  }
  const uint64_t packet = (tag & kPacket) != 0 ? number() : 0;
  front_in_bulk_ = (tag & kInBulk) != 0;
  if (front_in_bulk_) {
    const auto body = in_.bulk ? in_.bulk.front() : std::nullopt;
    if (!body) throw Invalid("a connection's second ring holds less than its first one says");
    bytes = {body->bytes.data(), body->bytes.size()};
  }
  if (bytes.size() + ((tag & kFirst) != 0 ? 0 : partial_.size()) > most_bytes_)
    throw Invalid(format("a message of more than {} bytes", most_bytes_));
  front_given_ = true;

  std::vector<UniqueFd> fds;
  if (packet != 0) fds = take_packet(packet);
  if ((tag & kFirst) != 0) {
    forget_pieces();  // of one that was given up by its sender
    if ((tag & kLast) != 0) return Incoming{bytes, std::move(fds)};
    partial_fds_ = std::move(fds);
    in_pieces_ = true;
  }
  // Pieces without a beginning are of a message that was lost here.
  const bool complete = in_pieces_ && (tag & kLast) != 0;
  if (in_pieces_) partial_.append(bytes);
  pop_front();
  if (!complete) return std::nullopt;
  in_pieces_ = false;
  return Incoming{partial_, std::exchange(partial_fds_, {})};
}

void RingLink::forget_pieces() {
  partial_.clear();
  partial_fds_.clear();
  in_pieces_ = false;
}

// The descriptors of a packet. Those of earlier packets belong to messages that were given up.
std::vector<UniqueFd> RingLink::take_packet(uint64_t number) {
  for (;;) {
    std::optional<Packet> packet = receive_packet(socket_.get(), Millis{0}, kMaxPacket);
    if (!packet) throw Invalid("descriptors of a message did not come");
    const uint64_t found = from_bytes<uint64_t>(packet->bytes);
    if (found == number) return std::move(packet->fds);
    if (found > number) throw Invalid("descriptors of a message came too late");
  }
}

void RingLink::pop_front() noexcept {
  front_given_ = false;
  ++received_;
  if (front_in_bulk_) in_.bulk.pop();
  if (in_.ring.pop()) in_.room.signal();
  if (tells_) arm();
}

void RingLink::done() noexcept {
  if (front_given_) {
    pop_front();
    return;
  }
  partial_.clear();
  if (partial_.capacity() > kMaxBulk) partial_.shrink_to_fit();
}

bool RingLink::poll(const Deadline& deadline) {
  return await_record(deadline) != Arrival::kTimeout;
}

int RingLink::fileno() {
  if (!tells_) {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) throw_errno("epoll_create1");
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, in_.message.get(), &event) != 0) {
      throw_errno("epoll_ctl(ADD, eventfd)");
    }
    event.events = EPOLLRDHUP;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket_.get(), &event) != 0) {
      throw_errno("epoll_ctl(ADD, socket)");
    }
    epoll_ = PrivateFd(std::move(epoll));
    tells_ = true;
    arm();
  }
  return epoll_.get();
}

// The eventfd is to say whether the ring has records.
void RingLink::arm() noexcept {
  if (!ready()) {
    in_.message.clear();
    in_.ring.want_record(true);
    if (!ready()) return;
  }
  in_.message.signal();
}

}  // namespace towpath
