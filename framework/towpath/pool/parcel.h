#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "towpath/base/clock.h"
#include "towpath/message/codec.h"

namespace towpath::pools {

// Whoever waits for the outcomes of tasks. Called by the pool's thread with nothing locked.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // Of tasks [first, first + count): what the worker wrote, one after another: results, or, thrown,
  // RemoteTraces.
  virtual void take(uint64_t first, uint32_t count, std::string outcomes, bool thrown) = 0;
  // They have no outcome, for this reason.
  virtual void fail(uint64_t first, uint32_t count, std::exception_ptr error) = 0;

  // Nobody waits any longer: what is queued is dropped, what still comes is to be ignored.
  std::atomic<bool> cancelled{false};

 private:
  friend class Engine;
  friend class Member;
  uint64_t member_ = 0;  // where its (last) parcel went; 0: it is queued. Under the engine's lock
};

// Calls of one function, on their way to a worker.
struct Parcel {
  std::shared_ptr<Receiver> receiver;
  uint32_t code = 0;
  uint32_t count = 0;
  uint64_t first = 0;     // the number of its first task, as the receiver counts
  std::string arguments;  // of one call after another
  Millis deadline = kForever;
  int retries = 0;  // that are left
  int attempts = 0;
  int stalls = 0;         // workers that did not begin it within its deadline
  bool together = false;  // not to be cut

  // Splits off the first `tasks`, which are fewer than all.
  Parcel cut(uint32_t tasks) {
    Decoder in(arguments);
    for (uint32_t i = 0; i < tasks; ++i) in.skip();
    const size_t bytes = arguments.size() - in.rest().size();
    Parcel head{receiver, code,    tasks,    first,  arguments.substr(0, bytes),
                deadline, retries, attempts, stalls, together};
    arguments.erase(0, bytes);
    first += tasks;
    count -= tasks;
    return head;
  }
};

// What a receiver is to be told.
struct Delivery {
  std::shared_ptr<Receiver> receiver;
  uint64_t first = 0;
  uint32_t count = 0;
  std::string outcomes{};
  std::exception_ptr error{};  // instead of outcomes
  bool thrown = false;

  void deliver() {
    if (receiver->cancelled) return;
    if (error) {
      receiver->fail(first, count, std::move(error));
      return;
    }
    try {
      receiver->take(first, count, std::move(outcomes), thrown);
    } catch (const std::bad_alloc&) {
      // Else whoever waits for these would wait for ever.
      receiver->fail(first, count, std::current_exception());
    }
  }
};

}  // namespace towpath::pools
