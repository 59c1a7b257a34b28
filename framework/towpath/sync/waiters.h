#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "towpath/sync/futex.h"
#include "towpath/sync/holder.h"

namespace towpath {

// Who waits on a Condition, and who of them is notified: a table in shared memory, a place a
// waiter.
//
// Exactness  a notification goes to those who wait when it is given, and to each once.
// Deaths     a place belongs to a process. One that is killed with a notification in its place has
//            not eaten it: another who waited at that time takes the place over, in one store, and
//            with it the notification.
class Waiters {
 public:
  static constexpr size_t kPlaces = 500;

  // -1: all places are taken by the living.
  int enter();
  // Waits in the place it has entered. What it returns is where the waiter stands now: it may have
  // taken over another's place. Negative: not notified in time; its place is free again.
  int wait(int place, Millis timeout);
  // Leaves without having waited; who notified it in the meantime has notified another.
  void withdraw(int place);
  // The notified waiter is done with it.
  void leave(int place);
  // Notifies up to `most` of those who wait, the first to come first. How many.
  int notify(int most);

 private:
  enum State : uint32_t { kFree, kWaiting, kNotified };
  struct Place {
    std::atomic<uint64_t> who;  // 0: nobody, and then it is free
    std::atomic<uint64_t> ticket;
    std::atomic<uint64_t> notified_at;  // who had a ticket below this waited then
    std::atomic<uint32_t> state;        // waiters sleep on it
  };

  int take_over(int place);
  bool notify_one_before(uint64_t ticket);

  std::atomic<uint64_t> tickets_;
  std::atomic<uint32_t> used_;  // places below this have been entered once
  std::array<Place, kPlaces> places_;
};

}  // namespace towpath
