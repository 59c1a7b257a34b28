#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "towpath/base/clock.h"
#include "towpath/base/error.h"
#include "towpath/shared/proxy.h"

namespace towpath {

// A queue in a manager: for processes on several hosts. On one host a Queue is a hundred times as
// fast. All else: see Proxy.
//
// Order      one for all: each item goes to one get(), in the order of put().
// Timeouts   kForever waits, 0 and less never: Full, Empty, and nothing moved.
// Deaths     an item whose getter ends before it has decoded it, or can't decode it as a T, goes to
//            another, before those that came later.
// Source     Python's Queue and JoinableQueue of a SyncManager, where it is lost.
template <class T = Object>
class QueueProxy : public Proxy {
  static_assert(CanTravel<T>::kAsked);

 public:
  static constexpr std::string_view kType = "queue";
  explicit QueueProxy(std::shared_ptr<managed::Reference> it) : Proxy(std::move(it), kType) {}

  void put(const T& item, Millis timeout = kForever) {
    if (!call<bool>("put", int64_t{timeout.count()}, item))
      throw Full("put: the queue of the manager is full");
  }
  T get(Millis timeout = kForever) {
    auto item = call<managed::Found<T>>("get", int64_t{timeout.count()}).value;
    if (!item) throw Empty("get: the queue of the manager is empty");
    return *std::move(item);
  }
  void put_nowait(const T& item) { put(item, Millis{0}); }
  T get_nowait() { return get(Millis{0}); }

  uint64_t qsize() const { return call<uint64_t>("size"); }
  bool empty() const { return qsize() == 0; }
  bool full() const { return call<bool>("full"); }

  // An item that was got is done. Invalid: more often than items were put.
  void task_done() { call<void>("task_done"); }
  // Waits until all that were put are done. False: not in time.
  bool join(Millis timeout = kForever) { return call<bool>("join", int64_t{timeout.count()}); }
};

}  // namespace towpath
