#include "towpath/shared/shareable_list.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/sync/owned_word.h"

namespace towpath {
namespace {

constexpr uint64_t kMagic = 0x7473696c2d777074;  // "tpw-list"
constexpr uint64_t kLeast = 8;                   // bytes of any slot

enum class Kind : uint32_t { kNil, kFalse, kTrue, kInt, kUint, kFloat, kString, kBinary };

struct Plain {
  Kind kind = Kind::kNil;
  uint64_t bits = 0;        // of a number, or
  std::string_view text{};  // of a string or binary
  uint64_t size() const { return kind >= Kind::kString ? text.size() : sizeof bits; }
};

Plain plain_of(const Object& item) {
  if (item.is_nil()) return {};
  if (item.is_bool()) return {item.as_bool() ? Kind::kTrue : Kind::kFalse};
  if (item.is_int()) return {Kind::kInt, std::bit_cast<uint64_t>(item.as_int())};
  if (item.is_uint()) return {Kind::kUint, item.as_uint()};
  if (item.is_float()) return {Kind::kFloat, std::bit_cast<uint64_t>(item.as_float())};
  if (item.is_string()) return {Kind::kString, 0, item.as_string()};
  if (item.is_binary()) return {Kind::kBinary, 0, item.as_binary()};
  throw Invalid(format("a ShareableList holds nil, bool, int, float, string and binary, not {}",
                       item.kind()));
}

uint64_t rounded(uint64_t bytes) { return std::max(kLeast, (bytes + 7) / 8 * 8); }

}  // namespace

// Head, slots, bytes. Each slot has its room twice: a set() writes the one that nobody reads, and
// then shows it in one store. So a death leaves the item as it was or as it shall be.
struct ShareableList::Head {
  std::atomic<uint64_t> magic;  // written last
  uint64_t count;
  OwnedWord lock;
};

struct ShareableList::Slot {
  struct Side {
    std::atomic<Kind> kind;
    std::atomic<uint64_t> size;
  };
  uint64_t at;  // of the first room; the other one is behind it
  uint64_t room;
  std::atomic<uint32_t> shown;
  Side sides[2];
};

class ShareableList::Locked {
 public:
  explicit Locked(Head& head) : lock_(head.lock, [] {}) {}

 private:
  ShortLock lock_;
};

ShareableList::ShareableList(SharedMemory memory) : memory_(std::move(memory)) {
  const auto damaged = [this] {
    return Invalid(format("shared memory {} holds no ShareableList", memory_.name()));
  };
  const uint64_t size = memory_.size();
  if (size < sizeof(Head) || head().magic.load(std::memory_order_acquire) != kMagic)
    throw damaged();
  count_ = head().count;
  if (count_ > (size - sizeof(Head)) / sizeof(Slot)) throw damaged();
}

ShareableList ShareableList::open(std::string_view name) {
  return ShareableList(SharedMemory::open(name));
}
ShareableList ShareableList::open(const Handle& handle) {
  return ShareableList(SharedMemory::open(handle));
}

ShareableList::ShareableList(const std::vector<Object>& items, std::optional<std::string_view> name)
    : memory_([&] {
        uint64_t bytes = sizeof(Head) + items.size() * sizeof(Slot);
        for (const Object& item : items) bytes += 2 * rounded(plain_of(item).size());
        return SharedMemory::create(static_cast<int64_t>(bytes), name);
      }()),
      count_(items.size()) {
  head().count = count_;
  uint64_t at = sizeof(Head) + count_ * sizeof(Slot);
  for (uint64_t i = 0; i < count_; ++i) {
    auto* const it = reinterpret_cast<Slot*>(memory_.buf().data() + sizeof(Head)) + i;
    it->at = at;
    it->room = rounded(plain_of(items[i]).size());
    at += 2 * it->room;
    write(i, items[i]);
  }
  head().magic.store(kMagic, std::memory_order_release);
}

ShareableList::Head& ShareableList::head() const {
  return *reinterpret_cast<Head*>(memory_.buf().data());
}

uint64_t ShareableList::checked(int64_t index) const {
  const auto size = static_cast<int64_t>(count_);
  const int64_t from_begin = index < 0 ? index + size : index;
  if (from_begin < 0 || from_begin >= size)
    throw Invalid(format("ShareableList {}: index {} of {} items", memory_.name(), index, size));
  return static_cast<uint64_t>(from_begin);
}

// What another process may have spoilt is checked each time: it never leads outside the memory.
ShareableList::Slot& ShareableList::slot(uint64_t index) const {
  const std::span<std::byte> bytes = memory_.buf();
  Slot& slot = *(reinterpret_cast<Slot*>(bytes.data() + sizeof(Head)) + index);
  if (slot.at > bytes.size() || slot.room > (bytes.size() - slot.at) / 2)
    throw Invalid(format("ShareableList {}: its slot {} is damaged", memory_.name(), index));
  return slot;
}

Object ShareableList::read(uint64_t index) const {
  const Slot& from = slot(index);
  const uint64_t which = from.shown.load(std::memory_order_acquire) & 1;
  const Slot::Side& side = from.sides[which];
  const std::byte* const bytes = memory_.buf().data() + from.at + which * from.room;
  const uint64_t size = std::min(side.size.load(std::memory_order_relaxed), from.room);
  uint64_t bits = 0;
  if (size >= sizeof bits) std::memcpy(&bits, bytes, sizeof bits);
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  switch (side.kind.load(std::memory_order_relaxed)) {
    case Kind::kNil:
      return {};
    case Kind::kFalse:
      return false;
    case Kind::kTrue:
      return true;
    case Kind::kInt:
      return std::bit_cast<int64_t>(bits);
    case Kind::kUint:
      return bits;
    case Kind::kFloat:
      return std::bit_cast<double>(bits);
    case Kind::kString:
      return text;
    case Kind::kBinary:
      return Object::Binary{std::string(text)};
  }
  throw Invalid(format("ShareableList {}: its slot {} is damaged", memory_.name(), index));
}

void ShareableList::write(uint64_t index, const Object& item) {
  const Plain plain = plain_of(item);
  Slot& to = slot(index);
  if (plain.size() > to.room) {
    throw Invalid(
        format("ShareableList {}: a {} of {} bytes for slot {}, which has room for {}: make the "
               "list with the longest item that will be there",
               memory_.name(), item.kind(), plain.size(), index, to.room));
  }
  const uint64_t which = (to.shown.load(std::memory_order_relaxed) + 1) & 1;
  std::byte* const bytes = memory_.buf().data() + to.at + which * to.room;
  if (plain.kind >= Kind::kString) {
    std::ranges::copy(std::as_bytes(std::span(plain.text)), bytes);
  } else {
    std::memcpy(bytes, &plain.bits, sizeof plain.bits);
  }
  to.sides[which].kind.store(plain.kind, std::memory_order_relaxed);
  to.sides[which].size.store(plain.size(), std::memory_order_relaxed);
  to.shown.store(static_cast<uint32_t>(which), std::memory_order_release);
}

Object ShareableList::get(int64_t index) const {
  const uint64_t i = checked(index);
  const Locked locked(head());
  return read(i);
}

void ShareableList::set(int64_t index, const Object& item) {
  const uint64_t i = checked(index);
  const Locked locked(head());
  write(i, item);
}

std::vector<Object> ShareableList::values() const {
  std::vector<Object> all;
  all.reserve(count_);
  const Locked locked(head());
  for (uint64_t i = 0; i < count_; ++i) all.push_back(read(i));
  return all;
}

uint64_t ShareableList::room(int64_t index) const { return slot(checked(index)).room; }

uint64_t ShareableList::count(const Object& item) const {
  return static_cast<uint64_t>(std::ranges::count(values(), item));
}

std::optional<uint64_t> ShareableList::find(const Object& item) const {
  const std::vector<Object> all = values();
  const auto found = std::ranges::find(all, item);
  if (found == all.end()) return std::nullopt;
  return static_cast<uint64_t>(found - all.begin());
}

uint64_t ShareableList::index(const Object& item) const {
  if (const auto found = find(item)) return *found;
  throw Invalid(format("ShareableList {}: no such item, a {}", memory_.name(), item.kind()));
}

}  // namespace towpath
