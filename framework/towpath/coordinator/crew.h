#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/base/clock.h"
#include "towpath/coordinator/ledger.h"
#include "towpath/graph/plan.h"
#include "towpath/host/host.h"

namespace towpath {

// The worker processes of a run: which process sits in which seat, and when a dead one is replaced.
//
// Pace       the first to die is replaced at once; each that follows in a row, with no lease done
//            in between, waits twice as long, up to a second.
// Cap        8 deaths of a stage's workers in a row by their own doing, or 64 by SIGKILL or
//            SIGTERM, which come from outside.
// Threads    one.
class Crew {
 public:
  struct Member {
    Seat seat;
    std::string identity{};  // of the incarnation that lives; used once
    int incarnation = 0;
    int pid = 0;
    std::optional<Clock::time_point> restart_at{};
    std::optional<Pill> pill{};  // that it was given
  };
  struct Surroundings {
    std::string address;  // where workers find the coordinator
    std::string temp_dir, states_dir, inputs_dir;
    int log_fd = -1;
  };
  // Tells of what happens to a member, for log and run.db.
  using Note = std::function<void(const Member&, const std::string&)>;

  Crew(const Plan& plan, Host& host, Surroundings surroundings, Note note);

  std::vector<Member>& members() { return members_; }
  Member& at(Seat seat);
  Member* find(std::string_view identity);  // null: that incarnation is gone
  Member& of_key(int key) { return members_[static_cast<size_t>(key)]; }
  int key(const Member& member) const { return static_cast<int>(&member - members_.data()); }
  const PlanStage& stage(const Member& member) const;
  std::string name(const Member& member) const;  // "clean#2"
  bool lives(const Member& member) const { return host_.pid(key(member)) != 0; }

  // Where a process begins that does not begin anew.
  struct Origin {
    std::optional<std::string> token;  // a source's, a sink's: see WorkerStart
    std::optional<std::string> state;  // the file that a stage with state goes on from
  };
  // Starts a process for the seat. Throws what Process::start throws.
  void start(Member& member, const Origin& origin);

  // The member's process has ended: its messages are stale from now on.
  void forget(Member& member);
  // Plans a replacement. Not: the cap is reached, and how many died in a row.
  std::optional<int> replace(Member& member, bool by_kill);
  void lease_done(int stage) { deaths_[static_cast<size_t>(stage)] = {}; }
  bool replacing() const;
  std::optional<Clock::time_point> next_start() const;
  void give_up();                                                     // no replacement any more
  const std::vector<int64_t>& restarts() const { return restarts_; }  // per stage

 private:
  struct Deaths {
    int own = 0, by_kill = 0;
  };

  const Plan& plan_;
  Host& host_;
  const Surroundings surroundings_;
  const Note note_;
  std::vector<Member> members_;  // in order of stages; the position is the host's key
  std::vector<size_t> first_;    // per stage: its first member
  std::map<std::string, size_t, std::less<>> by_identity_;
  std::vector<Deaths> deaths_;  // per stage, in a row
  std::vector<int64_t> restarts_;
};

}  // namespace towpath
