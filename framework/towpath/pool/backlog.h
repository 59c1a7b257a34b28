#pragma once
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <vector>

#include "towpath/pool/parcel.h"
#include "towpath/pool/task.h"
#include "towpath/pool/worker.h"

namespace towpath::pools {

// The tasks that no worker has, in order, and what is known of the functions they call: how long a
// task of each takes, and so how many make a shipment worth its travel.
//
// Threads    the engine's lock guards it.
class Backlog {
 public:
  // One function, as it was named to the workers. Codes are never forgotten.
  uint32_t number_of(Code code);
  size_t codes() const { return codes_.size(); }
  const Definition& definition(size_t code) const { return codes_[code].definition; }
  // A shipment of that code took so long, a task.
  void measured(uint32_t code, int64_t nanoseconds);
  // How many tasks of that code make half a millisecond of work; 1 before it is known.
  uint32_t worthwhile(uint32_t code) const;

  void add(Parcel&& parcel);                   // behind all others
  void put_back(std::vector<Parcel> parcels);  // in front, in their order
  // What a worker had and did not begin: its first task is counted as stalled, and taken out (with
  // those it must stay together with) when that was so with kMaxStalls workers.
  static constexpr int kMaxStalls = 3;
  static std::optional<Parcel> take_stalled(std::vector<Parcel>& unbegun);
  bool empty() const { return parcels_.empty(); }
  uint64_t tasks() const { return tasks_; }
  // From the front, those whose receivers wait no longer.
  void drop_cancelled();
  // How many tasks of that receiver are here.
  uint64_t tasks_of(const Receiver& receiver) const;
  // They fail for this reason; all of it does.
  void fail_of(const Receiver& receiver, const std::exception_ptr& error,
               std::vector<Delivery>& out);
  void fail_all(const std::exception_ptr& error, std::vector<Delivery>& out);

  // For whom a shipment is.
  struct Taker {
    bool idle;      // it would begin at once
    size_t equals;  // workers that hold as much as it does, itself included: they share alike
    uint64_t most;  // tasks that it may still take
    bool recycles;  // `most` is exact
  };
  // Parcels of one code, cut to the size that suits; none: nothing here is for that worker.
  std::deque<Parcel> shipment(const Taker& taker);

 private:
  struct Known {
    Code code;
    Definition definition;
    int64_t mean = -1;  // ns a task; -1: not known
  };

  std::deque<Known> codes_;
  std::deque<Parcel> parcels_;
  uint64_t tasks_ = 0;  // in them
};

}  // namespace towpath::pools
