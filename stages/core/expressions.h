#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "towpath/stage/stage.h"

namespace towpath::core {

// Several expressions run over the same batch. All of them see the input row; a row counts as
// failed when any of them fails on it, with the reason of the first that does.
class Expressions {
 public:
  // Texts compiled over the stage's input, as an assignments field has them: name → expression.
  Expressions(const Settings& settings,
              const std::vector<std::pair<std::string, std::string>>& texts);

  // Evaluates all of them over all rows; `failed()` and `result()` speak of `in` until the next
  // call.
  void run(const Batch& in);
  // Row → reason, in row order.
  const std::map<int64_t, std::string>& failed() const { return failed_; }
  Column result(size_t i) const { return items_[i].result.view(); }
  int find(std::string_view name) const;  // position, or -1

  // run(), then rejects the rows that failed and puts out all others: each expression's value into
  // the column of its name, and the input's columns that `out` has besides.
  void put(const Batch& in, Outputs& outputs);

 private:
  struct Item {
    std::string name;
    Expression expression;
    ColumnBuilder result;
  };
  size_t rows_a_chunk(const Batch& in) const;

  std::vector<Item> items_;
  std::map<int64_t, std::string> failed_;
  std::vector<RowError> errors_;
  std::vector<int32_t> rows_;
  std::vector<ColumnBuilder*> columns_;
  uint64_t batch_rows_;
};

}  // namespace towpath::core
