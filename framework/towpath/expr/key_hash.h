#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "towpath/message/batch.h"

// The hash of a row's key: what decides its partition, and what a hash table of groups starts from.
// It is the same in every process, on every host and in every run: XXH3 with seed 0 over the values
// of the key columns, in their order.
//
// Equal      keys hash alike: −0.0 as 0.0, every NaN as one. Null is a key of its own, unlike ''
// and 0. Types      1 and 1.0 hash differently.

namespace towpath {

// One hash a row. Invalid when a column does not exist.
void hash_rows(const Batch& in, std::span<const std::string> columns,
               std::vector<uint64_t>& hashes);

// hash & 63 of each row.
void partition_rows(const Batch& in, std::span<const std::string> columns,
                    std::vector<uint8_t>& partitions);

// The same for rows that are being built.
void partition_rows(const BatchBuilder& rows, std::span<const std::string> columns,
                    std::vector<uint8_t>& partitions);

// The hashes of one column's values (of all `hashes.size()` rows; of a constant, its only one):
// written, or mixed into those of the columns before.
void hash_column(const Column& column, bool constant, bool first, std::span<uint64_t> hashes);

}  // namespace towpath
