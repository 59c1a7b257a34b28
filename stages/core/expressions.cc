#include "stages/core/expressions.h"

#include <algorithm>

namespace towpath::core {

Expressions::Expressions(const Settings& settings,
                         const std::vector<std::pair<std::string, std::string>>& texts)
    : batch_rows_(settings.context().batch_rows) {
  for (const auto& [name, text] : texts) {
    Expression expression = settings.compile(text, name);
    const Type type = expression.type();
    items_.push_back({name, std::move(expression), ColumnBuilder(type)});
  }
}

void Expressions::run(const Batch& in) {
  failed_.clear();
  for (Item& item : items_) {
    errors_.clear();
    item.expression.run(in, item.result, errors_);
    for (RowError& error : errors_) failed_.emplace(error.row, std::move(error.reason));
  }
}

int Expressions::find(std::string_view name) const {
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

void Expressions::put(const Batch& in, Outputs& outputs) {
  run(in);
  rows_.clear();
  auto next_failed = failed_.begin();
  for (int32_t row = 0; row < in.rows(); ++row) {
    if (next_failed != failed_.end() && next_failed->first == row) {
      outputs.reject(in, row, next_failed->second);
      ++next_failed;
    } else {
      rows_.push_back(row);
    }
  }
  // Bound before the rows are forwarded: the new value hides the input's column of that name.
  Output& out = outputs.main();
  columns_.clear();
  for (const Item& item : items_) columns_.push_back(&out.builder(item.name));

  const std::span<const int32_t> rows = rows_;
  const size_t step = rows_a_chunk(in);
  for (size_t first = 0; first < rows.size(); first += step) {
    const auto chunk = rows.subspan(first, std::min(step, rows.size() - first));
    out.forward(in, chunk);
    const bool gapless = chunk.back() - chunk.front() + 1 == static_cast<int64_t>(chunk.size());
    for (size_t i = 0; i < items_.size(); ++i) {
      if (gapless) {
        columns_[i]->append(items_[i].result.view(), chunk.front(),
                            static_cast<int64_t>(chunk.size()));
      } else {
        columns_[i]->append(items_[i].result.view(), chunk);
      }
    }
  }
}

// Batches are cut only where every column has all rows: small chunks keep them near their limit.
size_t Expressions::rows_a_chunk(const Batch& in) const {
  constexpr size_t kChunkBytes = 32 << 10;
  size_t bytes = in.bytes();
  for (const Item& item : items_) bytes += item.result.bytes();
  const size_t width = bytes / static_cast<size_t>(std::max<int64_t>(in.rows(), 1)) + 1;
  const size_t most = batch_rows_ == 0 ? SIZE_MAX : static_cast<size_t>(batch_rows_);
  return std::min(std::max<size_t>(kChunkBytes / width, 1), most);
}

}  // namespace towpath::core
