#include "stages/core/key_table.h"

#include "towpath/base/error.h"

namespace towpath::core {
namespace {

constexpr size_t kFirstSlots = 64;

uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

uint32_t KeyTable::add(uint64_t hash, std::string_view key) {
  const uint32_t tag = tag_of(hash);
  uint64_t at = slot_of(hash);
  for (; slots_[at].number != 0; at = (at + 1) & mask_) {
    if (slots_[at].tag == tag && this->key(slots_[at].number - 1) == key) {
      return slots_[at].number - 1;
    }
  }
  if (entries_.size() >= UINT32_MAX - 1) throw Invalid("more than 4 billion different keys");
  make_room(entries_, entries_.size() + 1);
  entries_.push_back({hash, bytes_.keep(key)});
  const uint32_t number = size();
  slots_[at] = {tag, number};
  if (entries_.size() * 4 > slots_.size() * 3) grow();
  return number - 1;
}

uint32_t KeyTable::add(std::string_view key) {
  // Eight bytes at a time, each folded in by a multiplication of 128 bits.
  __extension__ typedef unsigned __int128 Wide;
  const auto fold = [](uint64_t a, uint64_t b) {
    const Wide product = Wide{a} * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  uint64_t hash = kOdd ^ key.size();
  for (size_t at = 0; at < key.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, key.data() + at, std::min(sizeof word, key.size() - at));
    hash = fold(hash ^ word, kOdd) ^ word;
  }
  return add(fold(hash, 0xd6e8feb86659fd93), key);
}

void KeyTable::clear() {
  free_vector(entries_);
  slots_ = std::vector<Slot>(kFirstSlots, Slot{0, 0});
  mask_ = kFirstSlots - 1;
  bytes_.clear();
}

void KeyTable::grow() {
  slots_.assign(slots_.size() * 2, Slot{0, 0});
  mask_ = slots_.size() - 1;
  for (uint32_t number = 0; number < size(); ++number) {
    uint64_t at = slot_of(entries_[number].hash);
    while (slots_[at].number != 0) at = (at + 1) & mask_;
    slots_[at] = {tag_of(entries_[number].hash), number + 1};
  }
}

}  // namespace towpath::core
