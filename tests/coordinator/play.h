#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "towpath/coordinator/ledger.h"

// The ledger without a run around it: plans by hand, and workers that are played.

namespace towpath {

// Plans by hand: stages in order, edges between them.
struct PlanBuilder {
  Plan plan;
  PlanBuilder() {
    plan.pipeline = "test";
    plan.memory = 64 << 20;
    plan.cores = 64;
  }
  int stage(std::string name, Role role, int workers = 1) {
    PlanStage stage;
    stage.id = static_cast<int>(plan.stages.size());
    stage.name = std::move(name);
    stage.role = role;
    stage.workers = workers;
    stage.steps.emplace_back();
    if (role != Role::kSink) stage.outputs.push_back({"", {}, {}, {}});
    if (role == Role::kSource) stage.sources = {stage.id};
    plan.stages.push_back(std::move(stage));
    return plan.stages.back().id;
  }
  void edge(int from, int to, int port = 0, uint64_t room = 4 << 20) {
    PlanEdge edge;
    edge.id = static_cast<int>(plan.edges.size());
    edge.from_stage = from;
    edge.to_stage = to;
    edge.to_port = port;
    edge.room = room;
    plan.stages[static_cast<size_t>(from)].outputs[0].edges.push_back(edge.id);
    PlanStage& reader = plan.stages[static_cast<size_t>(to)];
    reader.inputs.push_back(edge.id);
    for (const int source : plan.stages[static_cast<size_t>(from)].sources) {
      if (std::find(reader.sources.begin(), reader.sources.end(), source) == reader.sources.end()) {
        reader.sources.push_back(source);
      }
    }
    plan.edges.push_back(edge);
  }
};

// Plays workers: takes what the ledger answers and commits as it is told.
struct Play {
  // All workers are ready, except those of the stage `late`; -2: none is.
  explicit Play(const Plan& the_plan, int late = -1)
      : plan(the_plan), arena(plan.memory), ledger(plan, arena) {
    for (const PlanStage& stage : plan.stages) {
      if (late == -2 || stage.id == late) continue;
      for (int i = 0; i < stage.workers; ++i) ledger.worker_ready({stage.id, i}, -1);
    }
  }

  // The worker ends its first lease with what `change` adds to the commit.
  template <class F>
  void finish(Seat seat, F change) {
    REQUIRE_FALSE(held[seat].empty());
    Commit commit = commit_of(held[seat].front());
    held[seat].pop_front();
    change(commit);
    REQUIRE(ledger.commit(seat, std::move(commit)));
  }
  // It asks for a block of so many bytes.
  void want(Seat seat, uint64_t bytes) {
    Lease& lease = held[seat].front();
    Commit commit = commit_of(lease);
    commit.final = false;
    commit.want = Want{0, bytes};
    REQUIRE(ledger.commit(seat, std::move(commit)));
    ++lease.part;
  }

  // Asks the ledger; leases gather per seat.
  void answer() {
    std::vector<Ledger::Work> work;
    std::vector<Ledger::GrantedRoom> rooms;
    ledger.answer(work, rooms);
    for (auto& each : work) {
      for (Lease& lease : each.leases) held[each.seat].push_back(std::move(lease));
    }
    for (const auto& room : rooms) {
      for (Lease& lease : held[room.seat]) {
        if (lease.id == room.room.lease) lease.grants.push_back(room.room.grant);
      }
    }
  }

  static OutBatch small(int output, std::string image, int64_t rows) {
    OutBatch out;
    out.output = output;
    out.batch.image = std::move(image);
    out.batch.size = out.batch.image.size();
    out.batch.rows = rows;
    return out;
  }
  static Commit commit_of(const Lease& lease) {
    Commit commit;
    commit.lease = lease.id;
    commit.attempt = lease.attempt;
    commit.part = lease.part;
    commit.partitions = lease.partitions;
    commit.busy_us = 5000;
    return commit;
  }

  const Plan& plan;
  Arena arena;
  Ledger ledger;
  std::map<Seat, std::deque<Lease>> held;
};

// A source and a sink, and one edge between them.
struct Line {
  explicit Line(uint64_t room = 4 << 20) { builder.edge(source, sink, 0, room); }
  PlanBuilder builder;
  const int source = builder.stage("s", Role::kSource);
  const int sink = builder.stage("k", Role::kSink);
  const Seat writer{source, 0}, reader{sink, 0};
};

}  // namespace towpath
