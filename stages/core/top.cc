#include "stages/core/top.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace towpath::core {
namespace {

// Beside twice what must be kept: so that pruning stays rare when that is little.
constexpr size_t kSpareRows = 1024;
constexpr size_t kSpareBytes = 1 << 20;

}  // namespace

StageSpec Top::describe() {
  return StageSpec("top")
      .summary("Keeps the first n rows in the order of some columns, in that order.")
      .field(
          field("n", FieldKind::kInt).must().range(1, 1e9).in_unit("rows").about("Rows to keep."))
      .field(field("by", FieldKind::kSortKeys)
                 .of_type(RowKey::types())
                 .must()
                 .about("Columns, the most important first, as in sort: \"size desc\" keeps the "
                        "greatest. Of equal rows, those that came first are kept."))
      .keeps_input()
      .stateful()
      .example("top: { n: 20, by: size desc }")
      .example("top: { n: 3, by: [country, total desc] }");
}

Top::Top(const Settings& settings)
    : n_(static_cast<size_t>(settings.get_int("n"))),
      key_(settings.input(), settings.get_sort_keys("by")),
      batch_rows_(settings.context().batch_rows),
      rows_(settings.input()) {}

void Top::process(const Batch& in, Outputs&) { add(in); }

void Top::add(const Batch& in) {
  key_.bind(in);
  taken_.clear();
  for (int32_t row = 0; row < in.rows(); ++row) {
    key_bytes_.clear();
    key_.append(row, key_bytes_);
    // An equal row came later than those kept, so it can't push one out.
    if (full_ && key_bytes_ >= last_) continue;
    taken_.push_back(row);
    keys_.push_back(bytes_.keep(key_bytes_));
  }
  rows_.add(in, taken_);
  if (rows_.size() > n_ && (rows_.size() >= 2 * n_ + kSpareRows ||
                            rows_.total_bytes() >= 2 * kept_bytes_ + kSpareBytes)) {
    prune();
  }
}

std::vector<uint32_t> Top::first_rows() const {
  std::vector<uint32_t> order(rows_.size());
  std::iota(order.begin(), order.end(), 0u);
  order_by_key(order, [this](uint32_t row) { return ByteStore::at(keys_[row]); });
  if (order.size() > n_) order.resize(n_);
  return order;
}

// Leaves the first n rows, in their order.
void Top::prune() {
  rows_.seal();
  const std::vector<uint32_t> order = first_rows();
  RowStore rows(rows_.schema());
  rows.add(rows_, order);
  rows.seal();
  ByteStore bytes;
  std::vector<const char*> keys;
  keys.reserve(order.size());
  for (const uint32_t row : order) keys.push_back(bytes.keep(ByteStore::at(keys_[row])));
  rows_ = std::move(rows);
  bytes_ = std::move(bytes);
  keys_ = std::move(keys);
  full_ = keys_.size() == n_;
  kept_bytes_ = rows_.total_bytes();
  if (full_) last_ = ByteStore::at(keys_.back());
}

bool Top::finish(int, Outputs& outputs) {
  if (!ordered_) {
    rows_.seal();
    order_ = first_rows();
    ordered_ = true;
  }
  Output& out = outputs.main();
  const std::vector<ColumnBuilder*> columns = bind_all(out);
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

uint64_t Top::state_bytes() const {
  const uint64_t held =
      rows_.capacity() + bytes_.capacity() + keys_.capacity() * sizeof(const char*);
  if (ordered_ || rows_.size() == 0) return held + order_.capacity() * sizeof(uint32_t);
  // A pruning holds the rows it keeps twice.
  const uint64_t kept = std::min<uint64_t>(n_, rows_.size());
  return held + held / rows_.size() * kept + rows_.size() * kOrderBytes;
}

void Top::clear() {
  rows_.clear();
  bytes_.clear();
  free_vector(keys_);
  free_vector(order_);
  given_ = 0;
}

// All rows stand in the first partition; those that are out already are left out.
void Top::save(int partition, Encoder& out) {
  if (partition != 0) return;
  rows_.seal();
  const std::vector<uint32_t> rows = ordered_ ? order_ : first_rows();
  rows_.save(std::span(rows).subspan(given_), out);
}

void Top::restore(int partition, Decoder& in) {
  if (partition != 0) return;
  RowStore loaded(rows_.schema());
  loaded.load(in);
  loaded.seal();
  for (const Batch& batch : loaded.batches()) add(batch);
}

TOWPATH_STAGE(Top)

}  // namespace towpath::core
