#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "towpath/channel/descriptor.h"
#include "towpath/memory/mapping.h"
#include "towpath/memory/sealed_memory.h"

// What a worker and its pool write down for each other in shared memory, because it must be
// readable when the worker is dead, or too busy to answer.
//
//   claims    Shipments of tasks lie in slots. Before it begins a task, the worker claims it; what
//             is not claimed yet, the pool can take back. So at a death it is known which one task
//             ran, and no task is run by two.
//   results   A result stands here as soon as its task is done, so a worker killed afterwards has
//             not lost it. What stands here is also the next message: it is sent from here.

namespace towpath::pools {

inline constexpr uint32_t kSlots = 4;

// Before the results in a message, and in the slate.
struct ResultsHead {
  enum Kind : uint32_t { kReady = 1, kFailed, kResults };  // zero bytes are none
  enum Flags : uint32_t {
    kEnd = 1,     // nothing more comes of this shipment
    kThrown = 2,  // what follows are not results but what the tasks have thrown
  };
  uint32_t kind = kResults;
  uint32_t shipment = 0;  // its number
  uint32_t first = 0;     // in the shipment
  uint32_t count = 0;
  uint32_t flags = 0;
  uint32_t reserved = 0;
  int64_t nanoseconds = 0;  // that these took
  uint64_t memory = 0;      // resident bytes of the worker, 0: not looked at
};

struct SlateMemory;

// The pool's side.
class Slate {
 public:
  Slate();
  Descriptor descriptor() const { return {memory_.fd()}; }

  // A shipment of so many tasks begins in a slot.
  void open(uint32_t slot, uint32_t count);
  // How many tasks of it were begun.
  uint32_t claimed(uint32_t slot) const;
  // Takes back what was not begun of a shipment of so many tasks; returns how many tasks were.
  // Invalid: the worker wrote there what no SlateWriter writes, and what it has begun is not known.
  uint32_t revoke(uint32_t slot, uint32_t count);
  // Invalid: as above.
  void check(uint32_t slot, uint32_t count) const;

  // When the worker began the task (steady clock, ns), if it runs that one. For timed shipments.
  std::optional<int64_t> started(uint32_t slot, uint32_t task) const;

  struct Results {
    ResultsHead head;
    std::string bytes;
  };
  // What is done but was not sent. The worker may be at work meanwhile: then nothing, now and then.
  std::optional<Results> look() const;

 private:
  SealedMemory memory_;
  Mapping mapping_;
  SlateMemory* it_ = nullptr;
};

// The worker's side.
class SlateWriter {
 public:
  explicit SlateWriter(Descriptor descriptor);

  // Claims the next task of a shipment: its number; none: the rest was taken back.
  std::optional<uint32_t> claim(uint32_t slot);
  // Says when the task begins; before its claim.
  void stamp(uint32_t slot, uint32_t task, int64_t nanoseconds);

  // The results to be written next are those of this shipment from `first` on, or what its tasks
  // have thrown.
  void begin(uint32_t shipment, uint32_t first, bool thrown = false);
  bool thrown() const { return thrown_; }
  // False: there is no room; send what is there.
  bool append(std::string_view result);
  uint32_t count() const { return count_; }
  // The message of what was appended; it lies here until begin().
  std::string_view message(uint32_t flags, int64_t nanoseconds, uint64_t memory);

 private:
  void publish();

  SealedMemory memory_;
  Mapping mapping_;
  SlateMemory* it_ = nullptr;
  uint32_t generation_ = 0;
  uint32_t count_ = 0;
  uint32_t bytes_ = 0;
  bool thrown_ = false;
};

}  // namespace towpath::pools
