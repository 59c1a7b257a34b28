#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "stages/core/byte_store.h"

namespace towpath::core {

// A set of byte strings, numbered in the order they came: 0, 1, 2, … Open addressing; beside its
// bytes an entry costs 20 bytes and its slots of 8, of which at most 3 in 4 are taken.
class KeyTable {
 public:
  KeyTable() { clear(); }
  // The number of `key`; a new one gets the next. Equal keys come with equal hashes.
  uint32_t add(uint64_t hash, std::string_view key);
  uint32_t add(std::string_view key);  // with a hash of its own making
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[slot_of(hash)]); }

  uint32_t size() const { return static_cast<uint32_t>(entries_.size()); }
  std::string_view key(uint32_t number) const { return ByteStore::at(entries_[number].bytes); }
  uint64_t hash(uint32_t number) const { return entries_[number].hash; }
  void clear();
  size_t capacity() const {  // bytes of memory held
    return entries_.capacity() * sizeof(Entry) + slots_.capacity() * sizeof(Slot) +
           bytes_.capacity();
  }

 private:
  struct Entry {
    uint64_t hash;
    const char* bytes;
  };
  struct Slot {
    uint32_t tag;     // the upper half of the hash: spares most comparisons
    uint32_t number;  // of the entry, plus 1; 0: free
  };
  // Not from the lowest bits: those choose the partition, so within a pool's member they are much
  // alike.
  uint64_t slot_of(uint64_t hash) const { return (hash >> 6) & mask_; }
  void grow();

  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  uint64_t mask_ = 0;
  ByteStore bytes_;
};

}  // namespace towpath::core
