#pragma once
#include <cstdint>
#include <mutex>
#include <vector>

#include "towpath/pool/parcel.h"
#include "towpath/pool/task.h"

namespace towpath::pools {

// Where tasks are put until the pool's thread takes them into its backlog, in order. Its lock is
// held for a moment only, so who submits does not wait while that thread is at work under the
// engine's.
//
// Threads    any.
class Intake {
 public:
  enum class Put {
    kDone,
    kWake,     // done; the pool's thread sleeps, and is to be woken
    kShut,     // not done, nor is what follows
    kUnnamed,  // nor this
  };
  Put put(Parcel& parcel);
  // The same of a task that has no place in an input: gets its code's number, and one of its own.
  Put put_one(const Code& code, Parcel& parcel);
  // Its code is known by that number from here on.
  void name(const Code& code, uint32_t number);

  // What is put from here on is refused.
  void shut() noexcept;
  // Exchanges what was put since the last time for this empty vector. Nobody is to be woken now.
  void take(std::vector<Parcel>& parcels) noexcept;
  // Who puts the next is to wake the pool's thread. False, and not so: something was put.
  bool ask_to_wake() noexcept;

 private:
  struct Named {
    Code code;
    uint32_t number;
  };
  Put add(Parcel& parcel);  // under the lock

  std::mutex mutex_;
  std::vector<Parcel> parcels_;
  std::vector<Named> named_;
  uint64_t next_task_ = 0;
  bool wakes_ = false;
  bool shut_ = false;
};

}  // namespace towpath::pools
