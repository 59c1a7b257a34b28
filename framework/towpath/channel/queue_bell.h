#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "towpath/base/unique_fd.h"
#include "towpath/sync/owned_word.h"

namespace towpath {

// A descriptor that is readable while a queue has something to get: a FIFO beside the queue's file,
// with a byte in it while it rings. Costs nothing until somebody wants the descriptor, and then two
// system calls whenever the queue becomes empty or ceases to be.
//
// Deaths     a putter rings before its item is there and looks again behind it; so one that is
//            killed in between leaves the bell ringing for nothing, which the next look ends. That
//            look can come before the item: then it is silent though there is one, and who waits
//            looks again, as everywhere (see futex.h).
// Lifetime   who has it open says so by a shared flock; the queue's maker takes it away, when it
//            has none. Only who watches makes one: nobody hears another.
class QueueBell {
 public:
  // All zero: nobody watches.
  struct State {
    OwnedWord lock;
    std::atomic<uint32_t> watched;
    std::atomic<uint32_t> ringing;
  };
  QueueBell(State& state, std::string path) : s_(state), path_(std::move(path)) {}

  bool watched() const { return s_.watched; }
  template <class Ready>
  int fileno(Ready ready) {
    open(true);
    s_.watched = 1;
    const ShortLock lock(s_.lock, [] {});
    s_.ringing = 0;  // what was in a FIFO that nobody had open is lost
    set(ready());
    return fd_.get();
  }
  // Before a change that settle() follows. SystemError: it can't be rung; nothing is to change.
  void prepare() {
    if (watched()) open(false);
  }
  void ring();
  // Rings if `ready`, else is silent. Asked under the lock, so the last to ask is right.
  template <class Ready>
  void settle(Ready ready) noexcept {
    fence_behind_lock();  // of the stream, under which it changed
    if (!watched() || !try_open()) return;
    const ShortLock lock(s_.lock, [] {});
    set(ready());
  }
  // By the queue's maker, at its end.
  void remove() noexcept;

 private:
  bool open(bool make);
  bool try_open() noexcept;
  void set(bool ringing);

  State& s_;
  std::string path_;
  std::mutex mutex_;
  UniqueFd fd_;
};

}  // namespace towpath
