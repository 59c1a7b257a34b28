#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "towpath/coordinator/ledger.h"
#include "towpath/graph/plan.h"
#include "towpath/host/host.h"
#include "towpath/memory/arena.h"
#include "towpath/memory/arena_view.h"

// Why a run stops, in words: who or what it was, where, and what can be done.

namespace towpath {

// A worker's death; `held` is the lease it was computing, which so many deaths may end.
std::string describe_death(const std::string& worker, const Host::Ended& ended,
                           const std::optional<Ledger::Held>& held, uint32_t max_deaths,
                           const ArenaView& arena);
std::string describe_stall(const Ledger::Stall& stall, const Plan& plan, const Ledger& ledger,
                           const Arena& arena);
std::string describe_overflow(const Ledger::Overflow& overflow, const Plan& plan);

}  // namespace towpath
