#include "towpath/expr/select.h"

#include <bit>

#include "towpath/base/error.h"
#include "towpath/expr/node.h"

namespace towpath {

void select_true(const Column& conditions, std::vector<int32_t>& rows) {
  expect(conditions.type == Type::kBool, "select_true of a column that is not bool");
  const int64_t count = conditions.rows;
  rows.resize(static_cast<size_t>(count));
  int32_t* next = rows.data();
  for (int64_t i = 0; i < count; i += 64) {
    uint64_t word = expr::load_word(conditions.values, i, count);
    if (conditions.validity != nullptr) word &= expr::load_word(conditions.validity, i, count);
    if (count - i < 64) word &= (uint64_t{1} << (count - i)) - 1;
    if (word == ~uint64_t{0}) {
      for (int k = 0; k < 64; ++k) *next++ = static_cast<int32_t>(i + k);
      continue;
    }
    for (; word != 0; word &= word - 1) *next++ = static_cast<int32_t>(i + std::countr_zero(word));
  }
  rows.resize(static_cast<size_t>(next - rows.data()));
}

}  // namespace towpath
