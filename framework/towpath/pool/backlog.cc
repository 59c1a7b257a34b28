#include "towpath/pool/backlog.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace towpath::pools {
namespace {

constexpr std::chrono::nanoseconds kAhead{500'000};  // of work in one shipment
constexpr uint32_t kMaxTasks = 8192;                 // in one
constexpr size_t kMaxBytes = size_t{24} << 10;       // of arguments in one of several tasks

}  // namespace

uint32_t Backlog::number_of(Code code) {
  for (size_t i = 0; i < codes_.size(); ++i) {
    if (codes_[i].code == code) return static_cast<uint32_t>(i);
  }
  const auto number = static_cast<uint32_t>(codes_.size());
  codes_.push_back({code,
                    {number, locate_code(reinterpret_cast<const void*>(code.function)),
                     locate_code(reinterpret_cast<const void*>(code.thunk))}});
  return number;
}

void Backlog::measured(uint32_t code, int64_t nanoseconds) {
  int64_t& mean = codes_[code].mean;
  mean = mean < 0 ? nanoseconds : std::midpoint(mean, nanoseconds);
}

uint32_t Backlog::worthwhile(uint32_t code) const {
  const int64_t mean = codes_[code].mean;
  if (mean < 0) return 1;
  return static_cast<uint32_t>(
      std::clamp<int64_t>(kAhead.count() / std::max<int64_t>(mean, 1), 1, kMaxTasks));
}

void Backlog::add(Parcel&& parcel) {
  const uint32_t tasks = parcel.count;
  parcels_.push_back(std::move(parcel));
  tasks_ += tasks;
}

void Backlog::put_back(std::vector<Parcel> parcels) {
  for (auto parcel = parcels.rbegin(); parcel != parcels.rend(); ++parcel) {
    tasks_ += parcel->count;
    parcels_.push_front(std::move(*parcel));
  }
}

std::optional<Parcel> Backlog::take_stalled(std::vector<Parcel>& unbegun) {
  if (unbegun.empty() || ++unbegun.front().stalls < kMaxStalls) return std::nullopt;
  Parcel& first = unbegun.front();
  if (first.count > 1 && !first.together) {
    Parcel stalled = first.cut(1);
    first.stalls = 0;
    return stalled;
  }
  Parcel stalled = std::move(first);
  unbegun.erase(unbegun.begin());
  return stalled;
}

void Backlog::drop_cancelled() {
  while (!parcels_.empty() && parcels_.front().receiver->cancelled) {
    tasks_ -= parcels_.front().count;
    parcels_.pop_front();
  }
}

uint64_t Backlog::tasks_of(const Receiver& receiver) const {
  uint64_t tasks = 0;
  for (const Parcel& parcel : parcels_) {
    if (parcel.receiver.get() == &receiver) tasks += parcel.count;
  }
  return tasks;
}

void Backlog::fail_of(const Receiver& receiver, const std::exception_ptr& error,
                      std::vector<Delivery>& out) {
  std::deque<Parcel> kept;
  for (Parcel& parcel : parcels_) {
    if (parcel.receiver.get() != &receiver) {
      kept.push_back(std::move(parcel));
      continue;
    }
    tasks_ -= parcel.count;
    out.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, error});
  }
  parcels_ = std::move(kept);
}

void Backlog::fail_all(const std::exception_ptr& error, std::vector<Delivery>& out) {
  for (Parcel& parcel : parcels_) {
    out.push_back({std::move(parcel.receiver), parcel.first, parcel.count, {}, error});
  }
  parcels_.clear();
  tasks_ = 0;
}

std::deque<Parcel> Backlog::shipment(const Taker& taker) {
  std::deque<Parcel> pieces;
  drop_cancelled();
  if (parcels_.empty()) return pieces;
  const uint32_t code = parcels_.front().code;
  const bool timed = parcels_.front().deadline != kForever;
  uint64_t most = worthwhile(code);
  // Tasks that are long, or not known, are better given to who is the first to be free.
  if (most == 1 && !taker.idle) return pieces;
  const uint64_t equals = std::max<size_t>(taker.equals, 1);
  most = std::min({most, (tasks_ + equals - 1) / equals, taker.most});
  size_t bytes = 0;
  while (most > 0 && !parcels_.empty()) {
    Parcel& front = parcels_.front();
    if (front.code != code || (front.deadline != kForever) != timed) break;
    // Whole parcels are cheaper than pieces: what comes back need not be told apart.
    const bool whole =
        front.count <= most ||
        (pieces.empty() &&
         (front.together || (front.count / 2 <= most && equals < 2 && !taker.recycles)));
    if (!whole && (front.together || !pieces.empty())) break;
    const size_t size = front.arguments.size();
    if (whole && size + bytes > kMaxBytes && !pieces.empty()) break;
    // Large arguments wait for a worker that waits for them.
    if (size > kMaxBytes && front.count == 1 && !taker.idle) break;
    if (whole) {
      pieces.push_back(std::move(front));
      parcels_.pop_front();
    } else {
      pieces.push_back(front.cut(static_cast<uint32_t>(most)));
    }
    bytes += pieces.back().arguments.size();
    most -= std::min<uint64_t>(most, pieces.back().count);
    tasks_ -= pieces.back().count;
    drop_cancelled();
  }
  return pieces;
}

}  // namespace towpath::pools
