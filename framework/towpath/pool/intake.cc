#include "towpath/pool/intake.h"

#include <algorithm>
#include <utility>

namespace towpath::pools {

Intake::Put Intake::add(Parcel& parcel) {
  if (shut_) return Put::kShut;
  parcels_.push_back(std::move(parcel));
  return std::exchange(wakes_, false) ? Put::kWake : Put::kDone;
}

Intake::Put Intake::put(Parcel& parcel) {
  const std::lock_guard lock(mutex_);
  return add(parcel);
}

Intake::Put Intake::put_one(const Code& code, Parcel& parcel) {
  const std::lock_guard lock(mutex_);
  const auto named = std::ranges::find(named_, code, &Named::code);
  if (named == named_.end()) return shut_ ? Put::kShut : Put::kUnnamed;
  parcel.code = named->number;
  parcel.count = 1;
  parcel.first = next_task_;
  const Put done = add(parcel);
  next_task_ += done != Put::kShut;
  return done;
}

void Intake::name(const Code& code, uint32_t number) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(named_, code, &Named::code) == named_.end())
    named_.push_back({code, number});
}

void Intake::shut() noexcept {
  const std::lock_guard lock(mutex_);
  shut_ = true;
}

void Intake::take(std::vector<Parcel>& parcels) noexcept {
  const std::lock_guard lock(mutex_);
  parcels_.swap(parcels);
  wakes_ = false;
}

bool Intake::ask_to_wake() noexcept {
  const std::lock_guard lock(mutex_);
  wakes_ = parcels_.empty();
  return wakes_;
}

}  // namespace towpath::pools
