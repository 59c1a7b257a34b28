#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/channel/item_slots.h"
#include "towpath/channel/queue_memory.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// Records of bytes in shared memory, first in, first out, from many writers to many readers.
//
// Order      one for all: that in which put() returned.
// Atomicity  a record is in the stream or not, taken or not: each by one store, the last of a put
//            or get. A process killed at any instant leaves it in one of these two, and the next to
//            take its lock repairs the counts.
// Contention writers have a lock and readers another: one writer and one reader don't wait for each
//            other.
// Memory     grows by chunks with what is in it, to kMaxBytes; chunks that were read are used
//            again.
// End        end() and put() are in one order for all: a record is in the stream before that, or
//            was not put.
// Waiting    none here.
// Errors     Invalid: a process wrote into it what no RecordStream writes.
class RecordStream {
 public:
  static constexpr uint64_t kChunk = uint64_t{64} << 10;
  static constexpr uint64_t kMaxChunks = QueueMemory::kStreamBytes / kChunk;
  static constexpr uint64_t kMaxRecord = kChunk - 8;
  static_assert(kMaxChunks <= 1 << 16);

  // All zero is an empty stream. A position is a number of bytes since the beginning.
  struct State {
    // What writers tell readers.
    alignas(64) std::atomic<uint64_t> head;  // what is before it is in the stream
    std::atomic<uint32_t> ended;             // nothing more is put
    // The writers' own: readers don't take these lines from their caches (but join() and size()
    // do).
    alignas(64) OwnedWord put_lock;
    std::atomic<uint64_t> puts;       // so many records
    std::atomic<uint64_t> next_slot;  // + 1; what the put under way is to make of these
    std::atomic<uint64_t> next_head;
    std::atomic<uint64_t> next_puts;
    uint64_t seen_tail;  // the tail may be further
    uint64_t seen_gets;
    alignas(64) std::atomic<uint64_t> chunks;  // of memory, that there are
    std::atomic<uint64_t> recycled;  // chunks of the stream, whose memory is a later chunk's
    // What readers tell writers, and their own.
    alignas(64) OwnedWord get_lock;
    std::atomic<uint64_t> tail;
    std::atomic<uint64_t> gets;
    std::atomic<uint64_t> next_tail;
    std::atomic<uint64_t> next_gets;
    uint64_t seen_head;
    // Where a chunk of the stream lies, by its number; written by writers only.
    alignas(64) std::array<std::atomic<uint16_t>, kMaxChunks> map;
  };

  RecordStream(State& state, QueueMemory& memory, ItemSlots& slots)
      : s_(state), memory_(memory), slots_(slots) {}

  enum class Put { kDone, kEnded, kFull, kNoRoom };
  // kFull: there would be more than `most` records (0: no such limit). kNoRoom: of memory.
  Put put(std::string_view bytes, uint64_t most);
  // The record is the slot.
  Put put_slot(ItemSlots::Slot slot, uint64_t most);

  enum class Got { kNothing, kBytes, kSlot };
  // The first record: its bytes into `bytes`, or its slot.
  Got get(std::string& bytes, ItemSlots::Slot& slot);

  uint64_t size() {
    uint64_t size = 0;
    as_reader([&] { as_writer([&] { size = s_.puts - s_.gets; }); });
    return size;
  }
  void end() {
    as_writer([this] { s_.ended = 1; });
  }
  bool ended() const { return s_.ended != 0; }

  // Locks nothing, and does not look at the counts, which may be a killed one's. In this order it
  // was so when the tail was read.
  bool empty() const {
    const uint64_t tail = s_.tail;
    return tail == s_.head;
  }
  uint64_t puts() const { return s_.puts; }
  uint64_t gets() const { return s_.gets; }
  // Calls f under the readers' or writers' lock, behind the repair of what a killed one left. Who
  // wants both is a reader first.
  template <class F>
  void as_reader(F f) {
    const ShortLock lock(s_.get_lock, [this] { repair_get(); });
    f();
  }
  template <class F>
  void as_writer(F f) {
    const ShortLock lock(s_.put_lock, [this] { repair_put(); });
    f();
  }

 private:
  struct Head {
    uint32_t size;
    uint32_t slot;  // + 1; 0: bytes follow
  };
  Put put(Head head, std::string_view bytes, uint64_t most);
  void repair_put();
  void repair_get();
  bool has_chunks_for(uint64_t end);
  char* at(uint64_t position) {
    const uint64_t chunk = s_.map[position / kChunk % kMaxChunks].load(std::memory_order_relaxed);
    return memory_.stream() + (chunk % kMaxChunks) * kChunk + position % kChunk;
  }
  void fetch_ahead_to_write(uint64_t position);
  void fetch_ahead_to_read(uint64_t position);
  void write(uint64_t position, std::string_view bytes);
  void read(uint64_t position, std::string& bytes);
  Head head_at(uint64_t position);

  State& s_;
  QueueMemory& memory_;
  ItemSlots& slots_;
};

}  // namespace towpath
