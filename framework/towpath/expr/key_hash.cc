#include "towpath/expr/key_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <limits>

#include "towpath/base/error.h"

namespace towpath {
namespace {

constexpr uint64_t kNull = 0x9E3779B97F4A7C15u;  // the hash of null

uint64_t hash_number(uint64_t value) { return XXH3_64bits(&value, sizeof value); }

uint64_t hash_float(double value) {
  if (value == 0) value = 0;  // −0.0
  if (value != value) value = std::numeric_limits<double>::quiet_NaN();
  return hash_number(std::bit_cast<uint64_t>(value));
}

template <class Hash>
void hash_values(const Column& column, bool constant, bool first, std::span<uint64_t> hashes,
                 Hash hash) {
  for (size_t i = 0; i < hashes.size(); ++i) {
    const int64_t row = constant ? 0 : static_cast<int64_t>(i);
    const uint64_t own = column.is_null(row) ? kNull : hash(row);
    if (first) {
      hashes[i] = own;
    } else {
      const uint64_t both[2] = {hashes[i], own};
      hashes[i] = XXH3_64bits(both, sizeof both);
    }
  }
}

}  // namespace

void hash_column(const Column& column, bool constant, bool first, std::span<uint64_t> hashes) {
  switch (column.type) {
    case Type::kBool:
      return hash_values(column, constant, first, hashes,
                         [&](int64_t row) { return hash_number(column.bool_at(row) ? 1 : 0); });
    case Type::kInt:
    case Type::kTimestamp:
      return hash_values(column, constant, first, hashes, [&](int64_t row) {
        return hash_number(static_cast<uint64_t>(column.int_at(row)));
      });
    case Type::kFloat:
      return hash_values(column, constant, first, hashes,
                         [&](int64_t row) { return hash_float(column.float_at(row)); });
    case Type::kDate:
      return hash_values(column, constant, first, hashes, [&](int64_t row) {
        return hash_number(static_cast<uint64_t>(int64_t{column.date_at(row)}));
      });
    case Type::kString:
    case Type::kBinary:
    case Type::kObject:
      return hash_values(column, constant, first, hashes, [&](int64_t row) {
        const std::string_view text = column.text_at(row);
        return XXH3_64bits(text.data(), text.size());
      });
  }
}

void hash_rows(const Batch& in, std::span<const std::string> columns,
               std::vector<uint64_t>& hashes) {
  expect(!columns.empty(), "a key of no columns");
  hashes.resize(static_cast<size_t>(in.rows()));
  for (size_t i = 0; i < columns.size(); ++i) {
    hash_column(in.column(columns[i]), false, i == 0, hashes);
  }
}

namespace {

void to_partitions(const std::vector<uint64_t>& hashes, std::vector<uint8_t>& partitions) {
  partitions.resize(hashes.size());
  for (size_t i = 0; i < hashes.size(); ++i) {
    partitions[i] = static_cast<uint8_t>(hashes[i] & (kPartitions - 1));
  }
}

}  // namespace

void partition_rows(const Batch& in, std::span<const std::string> columns,
                    std::vector<uint8_t>& partitions) {
  std::vector<uint64_t> hashes;
  hash_rows(in, columns, hashes);
  to_partitions(hashes, partitions);
}

void partition_rows(const BatchBuilder& rows, std::span<const std::string> columns,
                    std::vector<uint8_t>& partitions) {
  std::vector<uint64_t> hashes(static_cast<size_t>(rows.rows()));
  for (size_t i = 0; i < columns.size(); ++i) {
    const int column = find_field(rows.schema(), columns[i]);
    expect(column >= 0, "a key column is there");
    hash_column(rows.column(static_cast<size_t>(column)).view(), false, i == 0, hashes);
  }
  to_partitions(hashes, partitions);
}

}  // namespace towpath
