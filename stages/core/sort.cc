#include "stages/core/sort.h"

#include <numeric>

namespace towpath::core {

StageSpec Sort::describe() {
  return StageSpec("sort")
      .summary("Puts all rows in the order of some columns; equal rows keep their order.")
      .field(field("by", FieldKind::kSortKeys)
                 .of_type(RowKey::types())
                 .must()
                 .about("Columns, the most important first; \"column desc\" turns the order "
                        "round. Nulls are less than all values."))
      .main_field("by")
      .keeps_input()
      .stateful()
      .example("sort: total desc")
      .example("sort: { by: [country, day desc] }");
}

Sort::Sort(const Settings& settings)
    : key_(settings.input(), settings.get_sort_keys("by")),
      batch_rows_(settings.context().batch_rows),
      rows_(settings.input()) {}

void Sort::process(const Batch& in, Outputs&) {
  all_.resize(static_cast<size_t>(in.rows()));
  std::iota(all_.begin(), all_.end(), 0);
  rows_.add(in, all_);
  add_keys(in);
}

// Keys are made as the rows come: so the flush needs little that was not counted before.
void Sort::add_keys(const Batch& in) {
  key_.bind(in);
  for (int64_t row = 0; row < in.rows(); ++row) {
    key_bytes_.clear();
    key_.append(row, key_bytes_);
    keys_.push_back(bytes_.keep(key_bytes_));
  }
}

uint64_t Sort::state_bytes() const {
  return rows_.capacity() + bytes_.capacity() + keys_.capacity() * sizeof(const char*) +
         (ordered_ ? order_.capacity() * sizeof(uint32_t) : rows_.size() * kOrderBytes);
}

bool Sort::finish(int, Outputs& outputs) {
  if (!ordered_) order_rows();
  Output& out = outputs.main();
  const std::vector<ColumnBuilder*> columns = bind_all(out);
  // About one batch a call, so a commit stays small.
  size_t bytes = 0;
  uint64_t count = 0;
  while (given_ < order_.size() && bytes < kBatchBytes &&
         (batch_rows_ == 0 || count < batch_rows_)) {
    const uint32_t row = order_[given_++];
    rows_.put(row, out, columns);
    bytes += rows_.bytes(row);
    ++count;
  }
  if (given_ < order_.size()) return true;
  clear();
  return false;
}

void Sort::order_rows() {
  rows_.seal();
  order_.resize(rows_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  order_by_key(order_, [this](uint32_t row) { return ByteStore::at(keys_[row]); });
  ordered_ = true;
  free_vector(keys_);
  bytes_.clear();
}

void Sort::clear() {
  rows_.clear();
  free_vector(order_);
  given_ = 0;
}

// The order has no partitions: all rows stand in the first. Rows that are out already are left out.
void Sort::save(int partition, Encoder& out) {
  if (partition != 0) return;
  rows_.seal();
  std::vector<uint32_t> rows;
  if (ordered_) {
    rows.assign(order_.begin() + static_cast<std::ptrdiff_t>(given_), order_.end());
  } else {
    rows.resize(rows_.size());
    std::iota(rows.begin(), rows.end(), 0u);
  }
  rows_.save(rows, out);
}

void Sort::restore(int partition, Decoder& in) {
  if (partition != 0) return;
  rows_.load(in);
  rows_.seal();
  for (const Batch& batch : rows_.batches()) add_keys(batch);
  ordered_ = false;
}

TOWPATH_STAGE(Sort)

}  // namespace towpath::core
