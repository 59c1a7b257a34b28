#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "towpath/message/batch.h"
#include "towpath/stage/settings.h"

// Keys of rows as bytes: equal keys are equal bytes, and memcmp orders them as their values are
// ordered. So group, sort, top and merge compare any columns the same way.
//
// Order      null, then values ascending: false, true; numbers, with -0 as 0 and NaN last; bytes of
// text.
//            `descending` turns all of it round: nulls come last.

namespace towpath::core {

class RowKey {
 public:
  // Those that have an order: what a column of a key may be.
  static std::vector<Type> types();
  static std::vector<SortKey> ascending(const std::vector<std::string>& columns);

  // Invalid: a column that is not there, or one of objects, which have no order.
  RowKey(const Schema& input, std::vector<SortKey> parts);

  void bind(const Batch& in);  // the batch that append() reads
  void append(int64_t row, std::string& out) const;
  // Puts the values of a key back into columns, one a part.
  void put(std::string_view key, std::span<ColumnBuilder* const> columns) const;
  const std::vector<SortKey>& parts() const { return parts_; }

 private:
  struct Bound {
    Type type;
    bool descending;
    bool open;  // the last part: its text needs no end mark
    Column column;
  };
  std::vector<SortKey> parts_;
  std::vector<Bound> bound_;
};

// One value that is not null, as above; `open` leaves out the end mark of text.
void append_ordered(const Column& column, int64_t row, bool open, std::string& out);

// The first bytes of a key as a number of the same order; equal prefixes decide nothing.
inline uint64_t key_prefix(std::string_view key) {
  uint64_t prefix = 0;
  std::memcpy(&prefix, key.data(), std::min<size_t>(key.size(), sizeof prefix));
  return __builtin_bswap64(prefix);
}

// Bytes that order_by_key() takes for each number, with the number itself.
inline constexpr size_t kOrderBytes = 16 + sizeof(uint32_t);

// The numbers given, ordered by key_of(number) and, where keys are equal, by number.
template <class KeyOf>
void order_by_key(std::vector<uint32_t>& numbers, KeyOf key_of) {
  struct Entry {
    uint64_t prefix;
    uint32_t number;
  };
  std::vector<Entry> entries;
  entries.reserve(numbers.size());
  for (const uint32_t number : numbers) entries.push_back({key_prefix(key_of(number)), number});
  std::sort(entries.begin(), entries.end(), [&key_of](const Entry& a, const Entry& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const int order = key_of(a.number).compare(key_of(b.number));
    return order != 0 ? order < 0 : a.number < b.number;
  });
  for (size_t i = 0; i < entries.size(); ++i) numbers[i] = entries[i].number;
}

}  // namespace towpath::core
