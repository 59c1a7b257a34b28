#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "towpath/expr/node.h"

// Loops that kernels are made of. The shape of an argument (a column, or one constant for all rows)
// is known to the compiler within a loop, so that loops over numbers become vector instructions.

namespace towpath::expr {

template <class T>
struct Many {
  const T* values;
  T operator[](int64_t i) const { return values[i]; }
};
struct ManyBits {
  const uint8_t* bits;
  bool operator[](int64_t i) const { return bit_at(bits, i); }
};
struct ManyTexts {
  const int32_t* offsets;
  const char* bytes;
  std::string_view operator[](int64_t i) const {
    return {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
  }
};
template <class T>
struct One {
  T value;
  T operator[](int64_t) const { return value; }
};

// The values of a column; T is bool, int64_t, double, int32_t (date) or std::string_view.
template <class T>
auto many(const Node& node) {
  if constexpr (std::is_same_v<T, bool>) {
    return ManyBits{static_cast<const uint8_t*>(node.out.values)};
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return ManyTexts{node.out.offsets, node.out.bytes};
  } else {
    return Many<T>{static_cast<const T*>(node.out.values)};
  }
}

// Calls `use` with the values of a node: with Many… for a column, with One for a constant.
template <class T, class Use>
void with_values(const Node& node, Use use) {
  if (node.constant) {
    use(One<T>{many<T>(node)[0]});
  } else {
    use(many<T>(node));
  }
}

// out[i] = compute(i).
template <class T, class Compute>
void fill(Node& node, int64_t rows, Compute compute) {
  T* out = node.fixed<T>(rows);
  for (int64_t i = 0; i < rows; ++i) out[i] = compute(i);
}

// The bits of compute(i), 64 at a time by way of bytes: the inner loops become vector instructions.
template <class Compute>
void fill_bits(Node& node, int64_t rows, Compute compute) {
  uint64_t* out = node.bits(rows);
  auto pack = [](const uint8_t* flags) {
    uint64_t word = 0;
    for (size_t k = 0; k < 8; ++k) {
      uint64_t eight;
      std::memcpy(&eight, flags + 8 * k, 8);
      word |= ((eight * 0x0102040810204080u) >> 56) << (8 * k);
    }
    return word;
  };
  uint8_t flags[64];
  int64_t i = 0;
  for (; i + 64 <= rows; i += 64) {
    for (int64_t j = 0; j < 64; ++j) flags[j] = compute(i + j) ? 1 : 0;
    out[i / 64] = pack(flags);
  }
  if (i == rows) return;
  std::memset(flags, 0, sizeof flags);
  for (int64_t j = 0; i + j < rows; ++j) flags[j] = compute(i + j) ? 1 : 0;
  out[i / 64] = pack(flags);
}

// Fails the rows where bad(i), unless they are null. For after a loop that has seen one.
template <class Bad>
void fail_where(Node& node, int64_t rows, const Fault& fault, Bad bad) {
  for (int64_t i = 0; i < rows; ++i) {
    if (bad(i) && !node.out.is_null(i)) node.fail(i, fault);
  }
}

// A text column by put(writer, i) for each row that is not null; it must end the row.
template <class Put>
void fill_text(Node& node, int64_t rows, Put put) {
  TextWriter writer(node, rows);
  for (int64_t i = 0; i < rows; ++i) {
    if (node.out.is_null(i)) {
      writer.end_row();
    } else {
      put(writer, i);
    }
  }
}

}  // namespace towpath::expr
