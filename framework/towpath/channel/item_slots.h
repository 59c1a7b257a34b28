#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "towpath/channel/queue_memory.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// Items of a queue that lie in a place of their own: those too large for its stream of records, and
// those that must outlast their get() until they are done. Each place ("slot") has a state:
//
//   free ──acquire()──▶ writing ──queued()──▶ queued ──take()──▶ read ──let_go()──▶ held
//    ▲ ▲                                        ▲                 │ │                 │
//    │ └──────────────── release() ─────────────┼─────────────────┘ │ finish()        │
//    ├──────────── let_go() ─────────────────── │ ◀──── done ◀──────┘                 │
//    └──────────── finish() ────────────────────┼─────────────────────────────────────┘
//                              take_given_back()└── given back ◀── give_back()
//
//   event             writing, done       queued     read, held
//   its process dies  free again, at the  (nobody's) free again; or given back, to be taken before
//                     next sweep()                   all that came later
//
// Memory     a slot has room of a power of two, reserved to what its item needs. It is used again,
//            the one that was freed last first, while it is in the caches; for other sizes once
//            those that were made after it are free, too.
// Deaths     a slot's state and owner say all; the rest is counted anew behind a death.
// Errors     Invalid: a process wrote into it what no ItemSlots writes.
// Threads    any, in any process.
class ItemSlots {
 public:
  static constexpr size_t kClasses = 26;  // room of 64 bytes to 2 GiB
  static constexpr uint64_t kMaxItem = uint64_t{1} << 30;
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 30;  // of all items together

  // All zero has no slots.
  struct State {
    OwnedWord lock;
    std::atomic<uint32_t> slots;  // that there are, in any state
    std::atomic<uint32_t> given_back;
    uint64_t done;  // finish(), so often
    uint64_t next_done;
    uint64_t table_reserved, small_end, small_reserved, large_end;
    uint64_t used;                        // bytes of slots that are not free
    uint64_t cached;                      // reserved bytes of large slots that are
    uint64_t swept;                       // when, in milliseconds
    uint32_t first_given_back;            // + 1, in order; 0: none
    std::array<uint32_t, kClasses> free;  // the first of each, + 1; 0: none
  };
  using Slot = uint32_t;
  // One that was taken, as the one that came as number `order`.
  struct Taken {
    Slot slot;
    uint64_t order;
  };

  ItemSlots(State& state, QueueMemory& memory) : state_(state), memory_(memory) {}

  // Room for an item, owned by this process; none: there is no room now.
  enum class From { kFree, kFreeOrNew };
  std::optional<Slot> acquire(uint64_t size, From from);
  char* bytes(Slot slot);
  // Throws what bytes() would: before the item is taken.
  void require_readable(Slot slot) { (void)bytes(slot); }
  uint64_t size(Slot slot);
  void queued(Slot slot);
  void not_queued(Slot slot);
  // To this process, which reads it.
  void take(const Taken& taken);
  // It was not committed.
  void not_taken(Slot slot);
  void release(Slot slot);
  // It is read no more. True: it was done, and so is free.
  bool let_go(Slot slot);
  // It is done: freed, unless it is being read. False: that one is not held there.
  bool finish(const Taken& taken);
  uint64_t order(Slot slot);

  // Frees what dead processes were writing, what was done while they read it, and what they held
  // unless it is to be given back. Seldom, however often it is called. The caller is reader and
  // writer of the stream, so that nobody is queueing or taking.
  void sweep(bool frees_held);
  // What `dead` held becomes given_back. How many. The caller is the stream's reader.
  uint32_t give_back(Holder dead);
  // The first in order of those given back, to this process.
  std::optional<Slot> take_given_back();
  // All that anyone holds, in order. The caller is the stream's reader.
  std::vector<Taken> held();
  bool is_valid(uint32_t slot) const { return slot < state_.slots; }
  bool read_by_this_process(Slot slot);
  bool written_by_this_process(Slot slot);

  uint32_t given_back() const { return state_.given_back; }
  // finish(), so often; also what one did that was killed in it.
  uint64_t done();

 private:
  // kEnding, kEndingRead: it is done, and about to be counted so.
  enum Life : uint32_t {
    kFree,
    kWriting,
    kQueued,
    kRead,
    kHeld,
    kGivenBack,
    kEnding,
    kEndingRead,
    kDone
  };
  struct Place {
    std::atomic<uint64_t> owner;
    std::atomic<uint64_t> order;
    std::atomic<uint64_t> size;
    uint64_t at;        // in the pool
    uint64_t reserved;  // of a large slot
    std::atomic<uint32_t> life;
    uint32_t next;  // + 1, of its list: free, or given back
    uint32_t size_class;
    uint32_t unused[3];
  };
  static_assert(sizeof(Place) == 64);
  static constexpr uint32_t kMaxSlots = QueueMemory::kTableBytes / sizeof(Place);

  Place& place(Slot slot) { return reinterpret_cast<Place*>(memory_.table())[slot]; }
  static bool is_taken(const Place& place) { return place.life == kRead || place.life == kHeld; }
  static uint64_t bytes_used(const Place& place);
  void repair();
  void list_free();
  void list_given_back();
  uint32_t merge(uint32_t one, uint32_t other);
  std::optional<Slot> make(uint32_t size_class);
  bool cut_off_free();
  void free(Slot slot);
  void give_memory_back(Place& place);

  State& state_;
  QueueMemory& memory_;
};

}  // namespace towpath
