#include "towpath/channel/record_stream.h"

#include <algorithm>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/fetch_ahead.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr uint64_t kFetchAhead = 1024;

constexpr uint64_t aligned(uint64_t size) { return (size + 7) / 8 * 8; }

[[noreturn]] void throw_broken(uint64_t position) {
  throw Invalid(
      format("the queue's memory is broken at byte {}: a process has written there what "
             "is none of the library's",
             position));
}

}  // namespace

// The last writer was killed under the lock: its record is in the stream, or it is not.
void RecordStream::repair_put() {
  const auto slot = static_cast<uint32_t>(s_.next_slot);
  if (s_.head == s_.next_head) {
    s_.puts = s_.next_puts.load();
  } else if (slot != 0 && slots_.is_valid(slot - 1)) {
    slots_.not_queued(slot - 1);
  }
  s_.next_slot = 0;
  s_.next_puts = s_.puts.load();
  s_.next_head = s_.head.load();
}

void RecordStream::repair_get() {
  if (s_.tail == s_.next_tail) {
    s_.gets = s_.next_gets.load();
  } else if (s_.tail != s_.head) {
    const Head head = head_at(s_.tail);
    if (head.slot != 0 && slots_.is_valid(head.slot - 1)) slots_.not_taken(head.slot - 1);
  }
  s_.next_gets = s_.gets.load();
  s_.next_tail = s_.tail.load();
  s_.seen_head = s_.tail;
}

// Chunks of the stream get memory in their order: of one that was read, else new. Each step is one
// store of `recycled` or `chunks`, whose sum is the number of chunks that have got any.
bool RecordStream::has_chunks_for(uint64_t end) {
  const uint64_t wanted = (end + kChunk - 1) / kChunk;
  for (;;) {
    const uint64_t chunks = s_.chunks.load(std::memory_order_relaxed);
    const uint64_t recycled = s_.recycled.load(std::memory_order_relaxed);
    const uint64_t mapped = chunks + recycled;
    if (mapped >= wanted) return true;
    auto& next = s_.map[mapped % kMaxChunks];
    if (recycled == s_.seen_tail / kChunk) s_.seen_tail = s_.tail;
    if (recycled < s_.seen_tail / kChunk) {
      next.store(s_.map[recycled % kMaxChunks].load(std::memory_order_relaxed),
                 std::memory_order_relaxed);
      s_.recycled.store(recycled + 1, std::memory_order_relaxed);
    } else {
      if (chunks == kMaxChunks ||
          !memory_.reserve(QueueMemory::kStreamAt + chunks * kChunk, kChunk))
        return false;
      next.store(static_cast<uint16_t>(chunks), std::memory_order_relaxed);
      s_.chunks.store(chunks + 1, std::memory_order_relaxed);
    }
  }
}

// Memory that was the readers' must come to the writer before the lock can be released, which waits
// for all stores: asked for early, it is there by then.
void RecordStream::fetch_ahead_to_write(uint64_t position) {
  const uint64_t ahead = position + kFetchAhead;
  if (ahead / kChunk == position / kChunk) fetch_to_write(at(position) + kFetchAhead);
}

// Not what writers may be writing at this moment.
void RecordStream::fetch_ahead_to_read(uint64_t position) {
  const uint64_t ahead = position + kFetchAhead;
  if (ahead < s_.seen_head && ahead / kChunk == position / kChunk)
    fetch_to_read(at(position) + kFetchAhead);
}

void RecordStream::write(uint64_t position, std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t piece = std::min<size_t>(bytes.size(), kChunk - position % kChunk);
    std::memcpy(at(position), bytes.data(), piece);
    bytes.remove_prefix(piece);
    position += piece;
  }
}

void RecordStream::read(uint64_t position, std::string& bytes) {
  const size_t first = std::min<size_t>(bytes.size(), kChunk - position % kChunk);
  std::memcpy(bytes.data(), at(position), first);
  // A record is shorter than a chunk.
  if (first < bytes.size())
    std::memcpy(bytes.data() + first, at(position + first), bytes.size() - first);
}

RecordStream::Head RecordStream::head_at(uint64_t position) {
  Head head;
  std::memcpy(&head, at(position), sizeof head);  // in one chunk: positions are multiples of 8
  return head;
}

RecordStream::Put RecordStream::put(std::string_view bytes, uint64_t most) {
  expect(bytes.size() <= kMaxRecord, "RecordStream: a record is larger than a chunk");
  return put({static_cast<uint32_t>(bytes.size()), 0}, bytes, most);
}

RecordStream::Put RecordStream::put_slot(ItemSlots::Slot slot, uint64_t most) {
  return put({0, slot + 1}, {}, most);
}

RecordStream::Put RecordStream::put(Head head, std::string_view bytes, uint64_t most) {
  const ShortLock lock(s_.put_lock, [this] { repair_put(); });
  if (ended()) return Put::kEnded;
  const uint64_t puts = s_.puts.load(std::memory_order_relaxed);
  const auto is_full = [&] { return puts - s_.seen_gets + slots_.given_back() >= most; };
  if (most != 0 && is_full()) {
    s_.seen_gets = s_.gets;
    if (is_full()) return Put::kFull;
  }
  const uint64_t begin = s_.head.load(std::memory_order_relaxed);
  const uint64_t end = begin + sizeof head + aligned(bytes.size());
  if (!has_chunks_for(end)) return Put::kNoRoom;
  std::memcpy(at(begin), &head, sizeof head);
  write(begin + sizeof head, bytes);
  fetch_ahead_to_write(end);
  // In this order: as long as head is not next_head, nothing of it holds.
  s_.next_slot.store(head.slot, std::memory_order_release);
  s_.next_head.store(end, std::memory_order_release);
  s_.next_puts.store(puts + 1, std::memory_order_release);
  if (head.slot != 0) slots_.queued(head.slot - 1);
  s_.head.store(end, std::memory_order_release);  // from here on it is in the stream
  s_.puts.store(puts + 1, std::memory_order_release);
  return Put::kDone;
}

RecordStream::Got RecordStream::get(std::string& bytes, ItemSlots::Slot& slot) {
  const ShortLock lock(s_.get_lock, [this] { repair_get(); });
  const uint64_t begin = s_.tail.load(std::memory_order_relaxed);
  if (begin == s_.seen_head) s_.seen_head = s_.head.load(std::memory_order_acquire);
  const uint64_t end = s_.seen_head;
  if (begin == end) return Got::kNothing;
  if (end < begin + sizeof(Head) || begin % 8 != 0) throw_broken(begin);
  const Head head = head_at(begin);
  if (head.size > kMaxRecord || head.size > end - begin - sizeof head ||
      (head.slot != 0 && !slots_.is_valid(head.slot - 1)))
    throw_broken(begin);
  const uint64_t gets = s_.gets.load(std::memory_order_relaxed);
  const uint64_t next = begin + sizeof head + aligned(head.size);
  s_.next_tail.store(next, std::memory_order_release);
  s_.next_gets.store(gets + 1, std::memory_order_release);
  if (head.slot != 0) {
    slot = head.slot - 1;
    slots_.require_readable(slot);
    slots_.take({slot, gets});
  } else {
    bytes.resize(head.size);
    read(begin + sizeof head, bytes);
    fetch_ahead_to_read(next);
  }
  s_.tail.store(next, std::memory_order_release);  // from here on it is taken
  s_.gets.store(gets + 1, std::memory_order_release);
  return head.slot != 0 ? Got::kSlot : Got::kBytes;
}

}  // namespace towpath
