#pragma once
#include <cstdint>
#include <vector>

#include "towpath/message/column.h"

namespace towpath {

// What a filter keeps: the rows of a bool column that are true (neither false nor null), in order.
// `rows` is cleared first.
void select_true(const Column& conditions, std::vector<int32_t>& rows);

}  // namespace towpath
