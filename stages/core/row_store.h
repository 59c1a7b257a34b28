#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "towpath/message/batch.h"
#include "towpath/message/codec.h"
#include "towpath/stage/outputs.h"

namespace towpath::core {

// The columns of an output, bound once, in the order of its schema.
std::vector<ColumnBuilder*> bind_all(Output& out);
// Puts one row of a batch out, with its source position; the output has the batch's columns.
void put_row(const Batch& in, int64_t row, Output& out, std::span<ColumnBuilder* const> columns);
// The same rows in memory of their own: for a batch that must outlive its lease.
Batch own_copy(const Batch& in);

// Rows kept between batches, with all columns and source positions, in memory of their own.
// They have numbers from 0 in the order they came.
class RowStore {
 public:
  explicit RowStore(Schema schema) : open_(std::move(schema)) {}

  void add(const Batch& in, std::span<const int32_t> rows);
  void add(const RowStore& from, std::span<const uint32_t> rows);
  uint32_t size() const { return static_cast<uint32_t>(places_.size()); }
  const Schema& schema() const { return open_.schema(); }
  void clear();  // and gives the memory back

  // The rows as batches, one behind another. What was added last may still be in the making: seal()
  // first.
  void seal();
  std::span<const Batch> batches() const { return batches_; }
  void put(uint32_t row, Output& out, std::span<ColumnBuilder* const> columns) const {
    put_row(batches_[places_[row].batch], places_[row].row, out, columns);
  }
  // About what the row takes.
  size_t bytes(uint32_t row) const;

  size_t total_bytes() const { return sealed_bytes_ + open_.bytes(); }
  size_t capacity() const {  // bytes of memory held
    return sealed_bytes_ + open_.capacity() + places_.capacity() * sizeof(Place) +
           batches_.capacity() * sizeof(Batch);
  }

  // Writes the rows named in that order; load() adds rows so written.
  void save(std::span<const uint32_t> rows, Encoder& out) const;
  void load(Decoder& in);

 private:
  struct Place {
    uint32_t batch, row;
  };
  void seal_if_full();

  std::vector<Batch> batches_;
  BatchBuilder open_;
  std::vector<Place> places_;
  size_t sealed_bytes_ = 0;
};

}  // namespace towpath::core
