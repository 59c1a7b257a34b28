#include "towpath/sync/membership.h"

#include <cstdlib>
#include <mutex>
#include <set>

#include "towpath/base/per_process.h"

namespace towpath {

// All that this process has entered, for its exit.
struct Members {
  std::mutex mutex;
  std::set<Membership*> all;
  bool at_exit = false;  // leave_all() will run

  static Members& get() {
    static constinit PerProcess<Members> it;
    return it.get();
  }
  static void leave_all() {
    Members& members = get();
    const std::lock_guard lock(members.mutex);
    for (Membership* member : members.all) member->leave();
    members.all.clear();
  }
};

void Membership::enter() {
  const Holder me = this_process();
  if (entered_for_.load(std::memory_order_acquire) == me) return;
  Members& members = Members::get();
  const std::lock_guard lock(members.mutex);
  if (entered_for_.load(std::memory_order_relaxed) == me) return;
  entry_ = nullptr;
  for (std::atomic<uint64_t>& entry : table_) {
    uint64_t nobody = 0;
    if (entry.load(std::memory_order_relaxed) != nobody) continue;
    if (!entry.compare_exchange_strong(nobody, me)) continue;
    entry_ = &entry;
    break;
  }
  if (!members.at_exit) members.at_exit = std::atexit(&Members::leave_all) == 0;
  members.all.insert(this);
  entered_for_.store(me, std::memory_order_release);
}

void Membership::leave() {
  if (entry_ != nullptr && entered_for_ == this_process()) *entry_ = 0;
  entry_ = nullptr;
}

Membership::~Membership() {
  Members& members = Members::get();
  const std::lock_guard lock(members.mutex);
  members.all.erase(this);
  leave();
}

}  // namespace towpath
