#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/coordinator/epoch.h"
#include "towpath/coordinator/ledger.h"
#include "towpath/coordinator/rejects.h"
#include "towpath/coordinator/states.h"
#include "towpath/memory/arena_view.h"
#include "towpath/run/run_db.h"
#include "towpath/run/run_folder.h"

namespace towpath {

// Leads a run from epoch to epoch: cut, drain, save, record, make visible. One at a time.
//
// Pace       the next is cut when `interval` has passed since the last was visible, and no sooner
//            than 20 times what saving that one took. The final one is cut when all is done.
// Visible    with the final one: who looks before sees what was there before the run.
// Disk       what is saved is synced by run.db's thread; nobody waits for it here.
// Threads    one.
class Epochs {
 public:
  Epochs(const RunFolder& folder, Millis interval);

  // As far as it goes now. `ended`: all stages have ended.
  void go_on(Ledger& ledger, RunDb& db, RejectFile& rejects, const ArenaView& arena, bool ended);
  // In a stall: gives up a cut that can't be drained, if there is one; the next is due later.
  bool revoke(Ledger& ledger);
  EpochState state() const { return state_; }
  bool final_recorded() const { return final_ && last_number_ == number_; }
  bool final_visible() const { return final_recorded() && state_ == EpochState::kNone; }
  uint64_t number() const { return number_; }  // of the last that was begun to be saved
  // The next is cut at once.
  void hasten() {
    hastened_ = true;
    due_ = Clock::now();
  }
  // When the next one is due.
  Clock::time_point due() const { return due_; }

  uint64_t last_number() const { return last_number_; }  // of the last that is recorded
  std::string last_position(int sink) const;             // recorded with it
  // The run goes back to the last that is recorded, with the images of its batches; none: nothing
  // is yet. Waits for one that is being recorded, because it may be on the disk already. Until
  // another is recorded the interval is halved each time, so that a run that is hit again and again
  // comes forward.
  std::optional<EpochRecord> go_back(RunDb& db);
  // The same behind the death of the coordinator, before anything else.
  std::optional<EpochRecord> resume(const RecordedRun& run);
  int rewinds() const { return rewinds_; }  // since an epoch was recorded
  int all_rewinds() const { return all_rewinds_; }

 private:
  void change(EpochEvent event) { state_ = kEpochLifecycle.after(state_, event); }
  std::optional<EpochRecord> begin_from_last(bool publishing);
  void make_folder() const;
  std::string folder_of(uint64_t number) const;  // of what the epoch keeps
  std::string images_of(uint64_t number) const;  // path of the file of its batches
  void publish(Ledger& ledger, RunDb& db, RejectFile& rejects, int sink);
  void recorded();
  void record(Ledger& ledger, RunDb& db, RejectFile& rejects, const ArenaView& arena);

  const RunFolder& folder_;
  const Millis interval_;
  EpochState state_ = EpochState::kNone;
  uint64_t number_ = 0;
  bool final_ = false, hastened_ = false;
  int rewinds_ = 0, all_rewinds_ = 0;
  uint64_t last_number_ = 0;
  std::string saving_, last_;  // records, encoded: that which is being recorded, and the last
  std::vector<uint64_t> reject_bytes_;  // by stage, in the record
  // What a sink refused when it applied the last epoch.
  struct Refused {
    RunDb::Ticket ticket = 0;
    uint64_t bytes = 0;  // of its reject file, with it
    std::string counts;
  };
  std::map<int, Refused> refused_;
  RunDb::Ticket recording_ = 0, showing_ = 0;
  Clock::time_point due_, save_began_{};
};

}  // namespace towpath
