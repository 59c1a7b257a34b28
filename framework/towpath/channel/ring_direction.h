#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/wake_fd.h"
#include "towpath/channel/descriptor.h"
#include "towpath/memory/mapping.h"
#include "towpath/memory/ring.h"
#include "towpath/memory/sealed_memory.h"
#include "towpath/message/codec.h"

namespace towpath {

// One direction of a RingLink as one of its ends sees it, by a RingWriter or a RingReader: the ring
// in the link's memory, the second one for large messages (the bulk), and what wakes who sleeps.
//
// Errors     Invalid: what came from another process can't be a ring.
template <class Ring>
class RingDirection {
 public:
  static constexpr uint64_t kCapacity = uint64_t{256} << 10;
  static constexpr uint64_t kPage = 4096;
  static constexpr uint64_t kBytes = (ring_memory(kCapacity) + kPage - 1) / kPage * kPage;
  static constexpr uint64_t kMinBulk = uint64_t{1} << 20;
  static constexpr uint64_t kMaxBulk = uint64_t{64} << 20;

  Ring ring;  // none: nothing goes this way
  Ring bulk;  // none: it has not come yet
  WakeFd message;
  WakeFd room;
  uint64_t packets = 0;  // of descriptors, so far

  // Lies in the first or second place of the link's memory.
  void map(const SealedMemory& memory, int64_t place) {
    const uint64_t at = static_cast<uint64_t>(place) * kBytes;
    if (place < 0 || place > 1 || at + kBytes > memory.size())
      throw Invalid("an end of a connection has no place in its memory");
    place_ = place;
    mapping_ = Mapping(memory.fd(), at, kBytes, Mapping::Access::kWrite);
    ring = Ring(mapping_.writable().first(ring_memory(kCapacity)));
  }

  void map_bulk(SealedMemory memory) {
    const uint64_t capacity =
        std::bit_floor(memory.size() - std::min(memory.size(), sizeof(RingControl)));
    if (capacity < kMinBulk || capacity > kMaxBulk)
      throw Invalid(format("a connection's second ring has {} bytes", memory.size()));
    Mapping mapping(memory.fd(), 0, ring_memory(capacity), Mapping::Access::kWrite);
    bulk = Ring(mapping.writable());
    bulk_mapping_ = std::move(mapping);
    bulk_memory_ = std::move(memory);
  }

  // On its way to another process, with the link's memory.
  void encode(Encoder& out) const {
    out.array(5);
    out.integer(place_);
    out.unsigned_integer(packets);
    towpath::encode(out, Descriptor{message.get()});
    towpath::encode(out, Descriptor{room.get()});
    towpath::encode(out, Descriptor{bulk_memory_ ? bulk_memory_.fd() : -1});
  }
  void decode(Decoder& in, const SealedMemory& memory) {
    in.array(5);
    const int64_t place = in.integer();
    packets = in.unsigned_integer();
    message = WakeFd(decode_descriptor(in));
    room = WakeFd(decode_descriptor(in));
    UniqueFd bulk_memory = decode_descriptor(in);
    if (place < 0) return;
    map(memory, place);
    if (bulk_memory) map_bulk(SealedMemory::adopt(std::move(bulk_memory)));
  }

 private:
  int64_t place_ = -1;
  Mapping mapping_;
  SealedMemory bulk_memory_;
  Mapping bulk_mapping_;
};

}  // namespace towpath
