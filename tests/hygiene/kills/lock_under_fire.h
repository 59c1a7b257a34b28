#pragma once
#include <cstdio>
#include <thread>
#include <vector>

#include "place.h"
#include "towpath/shared/value.h"
#include "towpath/sync/lock.h"

// What the holders of the lock write, and what is wrong in it if two held it at once.
struct Guarded {
  int64_t left = 0;
  int64_t right = 0;
  int64_t torn = 0;     // seen different, and nobody had died
  int64_t repairs = 0;  // seen different behind a death
};

inline void hold_for_ever(towpath::Lock lock, towpath::RawValue<Guarded> guarded) {
  for (;;) {
    const auto guard = lock.guard();
    Guarded& it = *guarded;
    if (it.left != it.right) {
      ++(guard.owner_died ? it.repairs : it.torn);
      it.right = it.left;
    }
    ++it.left;
    std::this_thread::yield();  // a time to die in
    ++it.right;
  }
}

// A lock whose holders are killed.
class LockUnderFire {
 public:
  LockUnderFire() {
    for (int i = 0; i < 2; ++i) {
      holders_.emplace_back([this] {
        return towpath::Process(towpath::Options{.daemon = true}, &hold_for_ever, lock_, guarded_);
      });
    }
  }
  void kill_one(size_t which) {
    Place& holder = holders_[which % holders_.size()];
    holder.kill();
    holder.replace();
  }
  void finish() {
    for (Place& holder : holders_) holder.kill();
    require(guarded_->torn == 0, "two held one lock");
    require(lock_.acquire(kSoon) != towpath::Acquired::kNo, "a lock stays locked");
    std::printf("lock: held %lld times, repaired %lld times\n",
                static_cast<long long>(guarded_->left), static_cast<long long>(guarded_->repairs));
  }

 private:
  towpath::Lock lock_;
  towpath::RawValue<Guarded> guarded_;
  std::vector<Place> holders_;
};
