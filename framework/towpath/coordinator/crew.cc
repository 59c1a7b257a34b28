#include "towpath/coordinator/crew.h"

#include <algorithm>

#include "towpath/base/format.h"

namespace towpath {
namespace {

constexpr int kMaxDeathsInARow = 8;
constexpr int kMaxKillsInARow = 64;
constexpr Millis kFirstPause{10};
constexpr Millis kLongestPause{1000};

}  // namespace

Crew::Crew(const Plan& plan, Host& host, Surroundings surroundings, Note note)
    : plan_(plan), host_(host), surroundings_(std::move(surroundings)), note_(std::move(note)) {
  for (const PlanStage& stage : plan.stages) {
    first_.push_back(members_.size());
    for (int number = 0; number < stage.workers; ++number) members_.push_back({{stage.id, number}});
  }
  deaths_.resize(plan.stages.size());
  restarts_.resize(plan.stages.size());
}

Crew::Member& Crew::at(Seat seat) {
  return members_[first_[static_cast<size_t>(seat.stage)] + static_cast<size_t>(seat.number)];
}

Crew::Member* Crew::find(std::string_view identity) {
  const auto found = by_identity_.find(identity);
  return found == by_identity_.end() ? nullptr : &members_[found->second];
}

const PlanStage& Crew::stage(const Member& member) const {
  return plan_.stages[static_cast<size_t>(member.seat.stage)];
}

std::string Crew::name(const Member& member) const {
  const PlanStage& of = stage(member);
  return format("{}#{}", of.name, of.member > 0 ? of.member : member.seat.number + 1);
}

void Crew::start(Member& member, const Origin& origin) {
  const PlanStage& of = stage(member);
  WorkerStart start;
  start.title = format("{}/{}", plan_.pipeline, name(member));
  member.identity = format("{}.{}", key(member), ++member.incarnation);
  member.restart_at.reset();
  member.pill.reset();
  start.identity = member.identity;
  start.address = surroundings_.address;
  start.temp_dir = surroundings_.temp_dir;
  start.steps = of.steps;
  for (const PlanOutput& output : of.outputs) {
    start.outputs.push_back({output.name, output.schema, output.partition_by});
  }
  if (of.partitions_input) start.partition_by = of.partition_by;
  start.token = origin.token;
  start.state = origin.state;
  start.inputs = format("{}/{}", surroundings_.inputs_dir, of.id);
  start.states_dir = surroundings_.states_dir;
  start.state_name = format("{}.{}", of.id, member.seat.number + 1);
  Host::Launch launch;
  launch.method = parse_method(of.start_method.empty() ? plan_.start_method : of.start_method);
  if (launch.method == Method::kFork && member.incarnation > 1) {
    launch.method = Method::kForkserver;
    note_(member, "is replaced by the forkserver: the run has threads by now, so it can't fork");
  }
  launch.env = of.env;
  launch.log_fd = surroundings_.log_fd;
  by_identity_[member.identity] = static_cast<size_t>(key(member));
  member.pid = host_.start(key(member), start, launch);
}

void Crew::forget(Member& member) { by_identity_.erase(member.identity); }

std::optional<int> Crew::replace(Member& member, bool by_kill) {
  const size_t of = static_cast<size_t>(member.seat.stage);
  int& in_a_row = by_kill ? deaths_[of].by_kill : deaths_[of].own;
  if (++in_a_row >= (by_kill ? kMaxKillsInARow : kMaxDeathsInARow)) return in_a_row;
  ++restarts_[of];
  const int doublings = std::min(in_a_row - 2, 10);
  const Millis pause{doublings < 0 ? 0 : kFirstPause.count() << doublings};
  member.restart_at = Clock::now() + std::min(pause, kLongestPause);
  return std::nullopt;
}

bool Crew::replacing() const { return next_start().has_value(); }

std::optional<Clock::time_point> Crew::next_start() const {
  std::optional<Clock::time_point> next;
  for (const Member& member : members_) {
    if (member.restart_at && (!next || *member.restart_at < *next)) next = member.restart_at;
  }
  return next;
}

void Crew::give_up() {
  for (Member& member : members_) member.restart_at.reset();
}

}  // namespace towpath
