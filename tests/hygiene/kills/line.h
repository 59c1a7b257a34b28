#pragma once
#include <map>
#include <string>
#include <vector>

#include "place.h"
#include "seen.h"
#include "towpath/channel/hub_place.h"
#include "towpath/channel/queue.h"
#include "towpath/shared/value.h"

// Two who put numbered items into a queue, and two who take them out and report each by another
// queue of the same kind. Any of them is killed at any time, and so is the hub of those over
// ZeroMQ.
//
//                 an item that was put   its report
//   Queue         may be lost, one for   comes once
//                 each death of a taker
//   JoinableQueue is reported            may come again, one for each death of a taker
class Line {
 public:
  Line(const char* name, towpath::Transport transport, bool joinable);

  void kill_putter(size_t which);
  void kill_taker(size_t which);
  void take_reports();
  bool has_hub() const { return transport_ == towpath::Transport::kZeroMq; }
  const towpath::HubPlace& hub() const { return hub_; }
  // All users are told, and begin anew. Its queues' items are lost with it, as is said of it.
  void hub_was_killed();
  // Behind the last kill: everything arrives that must.
  void finish();

 private:
  struct Putter {
    int number;
    towpath::RawValue<int> counted;
    Place place;
  };
  void begin();
  Putter new_putter();
  void settle(const Putter& putter);

  const char* const name_;
  const towpath::Transport transport_;
  const bool joinable_;
  towpath::HubPlace hub_;
  towpath::Queue<Item> items_, reports_;
  towpath::RawValue<int> told_;  // users who were told of the hub's death, and that by its name
  std::vector<Putter> putters_;
  std::vector<Place> takers_;
  int next_putter_ = 0;
  std::map<int, int> put_;    // by putter that is no more: what it had counted
  std::map<int, Seen> seen_;  // by putter
  // Since the queues were made, and in all.
  int64_t again_ = 0;
  int64_t taker_deaths_ = 0;
  int64_t all_items_ = 0, all_again_ = 0;
};
