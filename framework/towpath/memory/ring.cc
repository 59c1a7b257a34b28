#include "towpath/memory/ring.h"

#include <bit>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/fetch_ahead.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

// A record's head. The rest of the ring's end is passed over by one of kSkip bytes.
struct RecordHead {
  uint32_t size;
  uint32_t tag;
};
static_assert(sizeof(RecordHead) == kRingRecordHead);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
constexpr uint32_t kSkip = 0xFFFFFFFF;
constexpr uint64_t kFetchAhead = 1024;

constexpr uint64_t rounded(uint64_t bytes) { return (bytes + 7) & ~uint64_t{7}; }

[[noreturn]] void throw_broken(const char* what) {
  throw Invalid(format("the other side of a ring in shared memory broke it: {}", what));
}

}  // namespace

RingEnd::RingEnd(std::span<char> memory)
    : control_(reinterpret_cast<RingControl*>(memory.data())),
      data_(memory.data() + sizeof(RingControl)),
      capacity_(memory.size() - sizeof(RingControl)) {
  expect(capacity_ >= 64 && std::has_single_bit(capacity_), "a ring's capacity is a power of two");
}

// ── Writer ──

RingWriter::RingWriter(std::span<char> memory)
    : RingEnd(memory),
      head_(control_->head.load(std::memory_order_relaxed)),
      tail_(control_->tail.load(std::memory_order_acquire)) {
  if (head_ % 8 != 0) throw_broken("its head is not at a record");
}

char* RingWriter::reserve(uint64_t bytes) {
  expect(bytes <= max_record(), "RingWriter: a record larger than the ring takes");
  const uint64_t needed = kRingRecordHead + rounded(bytes);
  const uint64_t at = head_ & (capacity_ - 1);
  const uint64_t to_end = capacity_ - at;
  const bool skips = to_end < needed;
  const uint64_t next = head_ + needed + (skips ? to_end : 0);
  if (next - tail_ > capacity_) {
    const uint64_t tail = control_->tail.load(std::memory_order_seq_cst);
    if (head_ - tail > capacity_ || tail % 8 != 0) throw_broken("its tail is impossible");
    tail_ = tail;
    if (next - tail_ > capacity_) return nullptr;
  }
  if (skips) {
    const RecordHead skip{kSkip, 0};
    std::memcpy(data_ + at, &skip, sizeof skip);
  }
  at_ = skips ? 0 : at;
  // Memory that was the reader's must come here before publish() is done, which waits for all
  // stores: asked for early, it is there by then.
  if (at_ + kFetchAhead < capacity_) fetch_to_write(data_ + at_ + kFetchAhead);
  size_ = bytes;
  next_ = next;
  return data_ + at_ + kRingRecordHead;
}

bool RingWriter::publish(uint32_t tag) {
  const RecordHead record{static_cast<uint32_t>(size_), tag};
  std::memcpy(data_ + at_, &record, sizeof record);
  head_ = next_;
  // Sequentially consistent, as is the reader's announcement that it waits: one sees the other.
  control_->head.store(head_, std::memory_order_seq_cst);
  return control_->reader_waits.load(std::memory_order_seq_cst) != 0 &&
         control_->reader_waits.exchange(0, std::memory_order_seq_cst) != 0;
}

void RingWriter::want_room(Want want) {
  control_->writer_waits.store(static_cast<uint32_t>(want), std::memory_order_seq_cst);
}

bool RingWriter::empty() const { return control_->tail.load(std::memory_order_seq_cst) == head_; }

bool RingWriter::reader_gone() const {
  return control_->reader_gone.load(std::memory_order_relaxed) != 0;
}

uint64_t RingWriter::given_back() const { return control_->tail.load(std::memory_order_relaxed); }

// ── Reader ──

RingReader::RingReader(std::span<char> memory)
    : RingEnd(memory), tail_(control_->tail.load(std::memory_order_relaxed)), head_(tail_) {
  if (tail_ % 8 != 0) throw_broken("its tail is not at a record");
}

bool RingReader::refresh() {
  // Taken over only when it can be: what is impossible is so again at the next look.
  const uint64_t head = control_->head.load(std::memory_order_seq_cst);
  if (head - tail_ > capacity_ || head % 8 != 0) throw_broken("its head is impossible");
  head_ = head;
  return head_ != tail_;
}

bool RingReader::ready() { return head_ != tail_ || refresh(); }

std::optional<RingReader::Record> RingReader::front() {
  for (;;) {
    if (!ready()) return std::nullopt;
    const uint64_t at = tail_ & (capacity_ - 1);
    RecordHead record;  // copied: what is checked is what is used, whoever writes there meanwhile
    std::memcpy(&record, data_ + at, sizeof record);
    const uint64_t to_end = capacity_ - at;
    if (record.size == kSkip) {
      if (head_ - tail_ < to_end) throw_broken("a gap reaches beyond its head");
      tail_ += to_end;
      continue;
    }
    const uint64_t needed = kRingRecordHead + rounded(record.size);
    if (needed > to_end || needed > head_ - tail_) throw_broken("a record has no such size");
    next_ = tail_ + needed;
    // Not what the writer may be writing at this moment.
    if (at + kFetchAhead < capacity_ && head_ - tail_ > kFetchAhead)
      fetch_to_read(data_ + at + kFetchAhead);
    return Record{{data_ + at + kRingRecordHead, record.size}, record.tag};
  }
}

bool RingReader::pop() {
  tail_ = next_;
  control_->tail.store(tail_, std::memory_order_seq_cst);
  const uint32_t wanted = control_->writer_waits.load(std::memory_order_seq_cst);
  if (wanted == static_cast<uint32_t>(RingWriter::Want::kNothing)) return false;
  if (wanted == static_cast<uint32_t>(RingWriter::Want::kHalf) &&
      control_->head.load(std::memory_order_relaxed) - tail_ > capacity_ / 2) {
    return false;
  }
  return control_->writer_waits.exchange(0, std::memory_order_seq_cst) != 0;
}

void RingReader::want_record(bool want) {
  control_->reader_waits.store(want ? 1 : 0, std::memory_order_seq_cst);
}

void RingReader::set_gone() { control_->reader_gone.store(1, std::memory_order_seq_cst); }

}  // namespace towpath
