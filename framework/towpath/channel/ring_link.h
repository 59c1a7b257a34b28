#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "towpath/base/brief_look.h"
#include "towpath/base/private_fd.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/connection.h"
#include "towpath/channel/link.h"
#include "towpath/channel/ring_direction.h"
#include "towpath/memory/sealed_memory.h"

namespace towpath {

// The transport of one host: for each direction a ring in a sealed memfd, and two eventfds, by
// which a sleeper is woken ("there is a message", "there is room"). A socket pair beside it tells
// of the peer's end, carries descriptors, and hands over the memory for large messages.
//
//   up to 32 KiB   in the ring
//   up to 32 MiB   in one piece in a second ring, the bulk, where the reader reads it; it comes
//                  with the first such message
//   above          in pieces through the bulk; the reader puts them together
//
// Sleeping costs two system calls a message, and to be woken some microseconds: so a reader looks
// for a while first, as long as that finds something.
class RingLink final : public Link {
 public:
  // Two ends; simplex: the first receives.
  // The first reads no larger message than that: Invalid, then EndOfStream; wherever it is.
  static std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> make(
      bool duplex, uint64_t first_reads_most = kMaxConnectionMessage);
  static std::unique_ptr<Link> adopt(Decoder& in);
  ~RingLink() override;

  bool sends() const override { return static_cast<bool>(out_.ring); }
  bool receives() const override { return static_cast<bool>(in_.ring); }
  bool send(std::string_view bytes, std::vector<UniqueFd> fds, const Deadline& deadline) override;
  std::optional<std::span<char>> reserve(uint64_t bytes, const Deadline& deadline) override;
  std::optional<Incoming> receive(const Deadline& deadline) override;
  void done() noexcept override;
  bool poll(const Deadline& deadline) override;
  int fileno() override;
  void encode_end(Encoder& out) override;
  void let_go() noexcept override {}  // it listens nowhere
  void interrupt() noexcept override;

 private:
  RingLink() = default;

  enum class Woke { kEvent, kGone, kTimeout };
  Woke sleep(const WakeFd& event, const Deadline& deadline) const;
  void require_peer();
  template <class Try>
  bool await_room(const Deadline& deadline, Try attempt);
  bool put(std::string_view bytes, uint32_t tag, uint64_t packet, const Deadline& deadline);
  bool put_bulk(std::string_view bytes, uint32_t tag, uint64_t packet, const Deadline& deadline);
  void make_bulk(uint64_t bytes, const Deadline& deadline);
  uint64_t send_packet_of(std::span<const int> fds, const Deadline& deadline);

  enum class Arrival { kRecord, kEnd, kTimeout };
  Arrival await_record(const Deadline& deadline);
  bool ready() noexcept;
  std::optional<Incoming> take_front();
  std::vector<UniqueFd> take_packet(uint64_t number);
  void forget_pieces();
  void pop_front() noexcept;
  void arm() noexcept;

  SealedMemory memory_;
  PrivateFd socket_;
  RingDirection<RingWriter> out_;
  RingDirection<RingReader> in_;

  // Sending.
  int64_t looked_at_ = 0;  // when the peer was last looked for
  uint64_t new_bulk_ = 0;  // the packet of a bulk that the peer has not been told of
  bool no_bulk_ = false;   // there is no memory for one

  // Receiving.
  uint64_t most_bytes_ = kMaxConnectionMessage;  // of a message
  std::string partial_;                          // of a message in pieces
  std::vector<UniqueFd> partial_fds_;
  bool in_pieces_ = false;
  bool broken_ = false;       // nothing more can be read from the ring
  bool front_given_ = false;  // the ring's front is known whole; done() pops it
  bool front_in_bulk_ = false;
  uint64_t received_ = 0;  // records
  BriefLook look_;
  PrivateFd epoll_;     // fileno()
  bool tells_ = false;  // fileno() was asked for: the eventfd says whether the ring has records
};

}  // namespace towpath
