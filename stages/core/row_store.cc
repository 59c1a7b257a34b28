#include "stages/core/row_store.h"

#include <memory>
#include <numeric>
#include <string>

#include "stages/core/byte_store.h"

namespace towpath::core {
namespace {

constexpr size_t kSealBytes = 1 << 20;

}  // namespace

std::vector<ColumnBuilder*> bind_all(Output& out) {
  std::vector<ColumnBuilder*> columns;
  for (const Field& field : out.schema()) columns.push_back(&out.builder(field.name));
  return columns;
}

void put_row(const Batch& in, int64_t row, Output& out, std::span<ColumnBuilder* const> columns) {
  const SourcePosition position = in.position(row);
  if (position.file.empty()) {
    out.row();
  } else {
    out.at(position);
  }
  for (size_t i = 0; i < columns.size(); ++i) columns[i]->append_row(in.column(i), row);
}

Batch own_copy(const Batch& in) {
  std::vector<int32_t> rows(static_cast<size_t>(in.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  BatchBuilder copy(in.schema());
  copy.add_rows_from(in, rows);
  for (size_t i = 0; i < in.schema().size(); ++i) {
    copy.column(i).append(in.column(i), 0, in.rows());
  }
  return copy.to_batch();
}

void RowStore::add(const Batch& in, std::span<const int32_t> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    places_.push_back({static_cast<uint32_t>(batches_.size()),
                       static_cast<uint32_t>(open_.rows()) + static_cast<uint32_t>(i)});
  }
  open_.add_rows_from(in, rows);
  for (size_t i = 0; i < in.schema().size(); ++i) open_.column(i).append(in.column(i), rows);
  seal_if_full();
}

void RowStore::add(const RowStore& from, std::span<const uint32_t> rows) {
  for (const uint32_t row : rows) {
    const Place place = from.places_[row];
    const auto at = static_cast<int32_t>(place.row);
    add(from.batches_[place.batch], {&at, 1});
  }
}

void RowStore::clear() {
  free_vector(batches_);
  free_vector(places_);
  open_ = BatchBuilder(open_.schema());
  sealed_bytes_ = 0;
}

void RowStore::seal() {
  if (open_.rows() == 0) return;
  batches_.push_back(open_.to_batch());
  sealed_bytes_ += batches_.back().bytes();
  open_.clear();
}

void RowStore::seal_if_full() {
  if (open_.bytes() >= kSealBytes) seal();
}

size_t RowStore::bytes(uint32_t row) const {
  const Batch& batch = batches_[places_[row].batch];
  return batch.bytes() / static_cast<size_t>(batch.rows()) + 16;
}

// As images of batches; nil ends them.
void RowStore::save(std::span<const uint32_t> rows, Encoder& out) const {
  BatchBuilder batch(open_.schema());
  const auto write = [&batch, &out] {
    const BatchBuilder::Layout layout = batch.layout();
    std::string image(layout.size, '\0');
    batch.write(layout, image.data());
    out.unsigned_integer(layout.head_at);
    out.binary(image);
    batch.clear();
  };
  for (const uint32_t row : rows) {
    const Place place = places_[row];
    const Batch& from = batches_[place.batch];
    batch.add_row_from(from, place.row);
    for (size_t i = 0; i < from.schema().size(); ++i) {
      batch.column(i).append_row(from.column(i), place.row);
    }
    if (batch.bytes() >= kSealBytes) write();
  }
  if (batch.rows() > 0) write();
  out.nil();
}

void RowStore::load(Decoder& in) {
  while (in.peek() != Decoder::Kind::kNil) {
    const size_t head_at = in.unsigned_integer();
    const auto image = std::make_shared<const std::string>(in.binary());
    const std::span<const char> block(*image);
    const Batch batch = Batch::open({&block, 1}, head_at, image);
    std::vector<int32_t> rows(static_cast<size_t>(batch.rows()));
    std::iota(rows.begin(), rows.end(), 0);
    add(batch, rows);
  }
  in.nil();
}

}  // namespace towpath::core
