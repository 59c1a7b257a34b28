#include "towpath/sync/membership.h"

#include <cstdlib>
#include <mutex>
#include <set>

namespace towpath {

// All that this process has entered, for its exit.
struct Members {
  std::mutex mutex;
  std::set<Membership*> all;
  Holder hooked_for = 0;

  // Never destroyed: statics of other files may leave later.
  static Members& get() {
    static auto* const it = new Members;
    return *it;
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
  if (members.hooked_for != me) {
    // A child of fork does not run its parent's hooks.
    members.all.clear();
    std::atexit(&Members::leave_all);
    members.hooked_for = me;
  }
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
