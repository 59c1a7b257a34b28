#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

namespace towpath {

// Records of bytes in shared memory, first in, first out, from one writer to one reader.
//
// Order      kept. A record is seen whole or not at all: a writer that dies in the middle of one
//            has not published it, and hurts none that it had.
// Capacity   bytes. A record and its head lie in one piece, so one may fill half the ring at most.
// Waiting    none here: who finds no room or no record says so by want_room() or want_record(), and
//            is told by the other side's answer, true, that it is to be woken.
// Threads    one writer, one reader, each with an object of its own over the same memory.
// Errors     Invalid: the other side wrote into the ring what no RingWriter or RingReader writes.
//            Nothing outside the ring is touched then.

// Where the ring's memory begins. All zero is an empty ring.
struct RingControl {
  alignas(64) std::atomic<uint64_t> head;  // bytes published since the beginning
  alignas(64) std::atomic<uint64_t> tail;  // bytes given back
  // Rarely written: a line of its own stays in both caches.
  alignas(64) std::atomic<uint32_t> reader_waits;
  std::atomic<uint32_t> writer_waits;
  std::atomic<uint32_t> reader_gone;
};

inline constexpr uint64_t kRingRecordHead = 8;

// The memory that a ring of such capacity takes.
constexpr uint64_t ring_memory(uint64_t capacity) { return sizeof(RingControl) + capacity; }

// What both sides know.
class RingEnd {
 public:
  RingEnd() = default;  // none
  // `memory` begins at a cache line, has ring_memory() of a power of two, and outlives this.
  explicit RingEnd(std::span<char> memory);

  explicit operator bool() const { return control_ != nullptr; }
  uint64_t capacity() const { return capacity_; }
  uint64_t max_record() const { return capacity_ / 2 - kRingRecordHead; }

 protected:
  RingControl* control_ = nullptr;
  char* data_ = nullptr;
  uint64_t capacity_ = 0;
};

class RingWriter : public RingEnd {
 public:
  RingWriter() = default;
  explicit RingWriter(std::span<char> memory);

  // Room for a record of so many bytes, at most max_record(); null when there is none now.
  char* reserve(uint64_t bytes);
  // Shows what was written into the last reserve() to the reader; true: it waits.
  bool publish(uint32_t tag);

  // What the writer waits for. Look again after saying so, and only then sleep.
  enum class Want : uint32_t { kNothing = 0, kHalf = 1, kAny = 2 };
  void want_room(Want want);
  bool empty() const;           // the reader has given everything back
  bool reader_gone() const;     // it closed its end
  uint64_t given_back() const;  // moves as long as the reader reads

 private:
  uint64_t head_ = 0;
  uint64_t tail_ = 0;  // as seen last; the reader may be further
  uint64_t next_ = 0;  // head after publish()
  uint64_t at_ = 0;    // where the reserved record begins, in data_
  uint64_t size_ = 0;
};

class RingReader : public RingEnd {
 public:
  RingReader() = default;
  explicit RingReader(std::span<char> memory);

  struct Record {
    std::span<const char> bytes;
    uint32_t tag;
  };
  // The next record, where it lies; the same one until pop().
  std::optional<Record> front();
  bool ready();
  // Gives the front's room back; true: the writer waits for it.
  bool pop();
  // Says whether to be woken by the next publish(). Look again after saying so, and only then
  // sleep.
  void want_record(bool want);
  void set_gone();

 private:
  bool refresh();

  uint64_t tail_ = 0;
  uint64_t head_ = 0;  // as seen last
  uint64_t next_ = 0;  // tail after pop()
};

}  // namespace towpath
