#pragma once
#include <cstdint>

namespace towpath {

// What came of an acquire. Converts to bool: false only for kNo.
//
//   kNo         the time-out passed
//   kYes        acquired
//   kOwnerDied  acquired, because who held it died with it: what it guards may be half changed.
//               Told once, to the first who acquires after the death.
class Acquired {
 public:
  enum Kind : uint8_t { kNo, kYes, kOwnerDied };
  constexpr Acquired(Kind kind) : kind_(kind) {}  // NOLINT: Acquired::kYes is one
  constexpr explicit operator bool() const { return kind_ != kNo; }
  constexpr bool owner_died() const { return kind_ == kOwnerDied; }
  constexpr bool operator==(const Acquired&) const = default;
  constexpr bool operator==(Kind kind) const { return kind_ == kind; }

 private:
  Kind kind_;
};

}  // namespace towpath
